"""What the documentation says exists: its commands parse, its links lead somewhere, its reference is current."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import cli
from docs import generate_configuration, generate_figures, generate_pictures
from reports.html import render_html
from reports.summary import summarise
from tests.processes import environment
from tests.support import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])


def console_lines(page: Path) -> Iterator[str]:
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        yield from (line for line in block.splitlines() if line.strip())


def commands() -> list[tuple[str, str]]:
    """(page, line) of every use of cli.py."""
    return [(page.name, line) for page in PAGES for line in console_lines(page) if "cli.py" in line]


def parse(words: list[str]) -> None:
    """Parse as the command line would, down to the subcommand, and run nothing. Raises click's exceptions."""
    command: click.Command = cli.cli
    context = command.make_context("cli.py", list(words))
    while isinstance(command, click.Group):
        if command.invoke_without_command and not (context._protected_args or context.args):
            return
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, name
        context = found.make_context(name, list(rest), parent=context)
        command = found


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_parses(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "eval":
        return  # completion, tested below
    while "cli.py" in words:
        words = words[words.index("cli.py") + 1 :]
    assert words, line
    parse(words)


@pytest.mark.parametrize(
    "wrong", [["status", "--wacth"], ["nothing"], ["up", "--cpus", "-1"], ["bundle", "exprot", "x"]]
)
def test_a_wrong_command_would_be_found(wrong: list[str]) -> None:
    with pytest.raises(click.ClickException):
        parse(wrong)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    used = {
        shlex.split(line, comments=True)[1]
        for page in PAGES
        for line in console_lines(page)
        if line.startswith("make ")
    }
    assert used and used <= targets


def test_every_command_of_the_command_line_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [name for name in cli.COMMANDS if not re.search(rf"\b{name}\b", text)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_configuration_reference_is_current() -> None:
    assert generate_configuration.PAGE.read_text(encoding="utf-8") == generate_configuration.page(), (
        "run: python docs/generate_configuration.py"
    )


def test_every_row_of_what_decides_a_figure_names_tests_that_are_there() -> None:
    rows = (
        (REPOSITORY / "docs" / "what-decides.md").read_text(encoding="utf-8").split("|---|")[1].splitlines()
    )
    for row in rows:
        if row.startswith("| "):
            named = re.findall(r"`(\w+/test_\w+)`", row.split("|")[4])
            assert named, row
            assert all((REPOSITORY / "tests" / f"{name}.py").is_file() for name in named), row


def test_both_readmes_say_the_same_commands() -> None:
    english, chinese = ([line.split("#")[0].strip() for line in console_lines(REPOSITORY / name)]
                        for name in ("README.md", "README.zh-CN.md"))  # fmt: skip
    assert english == chinese


def shape(page: Path) -> list[tuple[str, int, list[str]]]:
    """Of every block between blank lines: its first sign, its rows or items, and what it links to."""
    text = re.sub(r"```console\n.*?```", "```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = text.replace("README.zh-CN.md", "the other").replace("README.md", "the other")
    return [
        (
            re.match(r"#+ |\||\*|!\[|```|", block).group(),
            len(re.findall(r"^(?:\||\*) ?", block, re.MULTILINE)),
            sorted(re.findall(r"\]\(([^)\s]+)\)", block)),
        )
        for block in re.split(r"\n\s*\n", text.strip())
    ]


def test_both_readmes_have_the_same_blocks_with_the_same_links() -> None:
    assert shape(REPOSITORY / "README.md") == shape(REPOSITORY / "README.zh-CN.md")


def test_both_readmes_say_the_same_figures_and_names() -> None:
    """Everything in backquotes, every percentage, and which k/5 it is of."""
    pages = [(REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
    english, chinese = (
        sorted(re.findall(r"`[^`\n]+`|\d+(?= %)|\b[0-9][0-9,.]*/[0-9]\b", page)) for page in pages
    )
    assert english == chinese


def test_completion_knows_the_commands() -> None:
    """As the shell asks the installed command."""
    asked = {"_BATON_COMPLETE": "bash_complete", "COMP_WORDS": "baton sta", "COMP_CWORD": "1"}
    program = "import sys; sys.argv[0] = '/bin/baton'; import cli; sys.exit(cli.main())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**asked),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert "plain,status" in done.stdout.split(), done.stderr


def test_every_test_that_a_page_names_exists() -> None:
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8"), (
                f"{page.name}: {file}::{name}"
            )


@pytest.mark.parametrize(
    "page",
    generate_figures.pages(),
    ids=lambda page: page.name,
)
def test_figures_are_those_of_the_files_that_hold_them(page: Path) -> None:
    assert generate_figures.wrong(page) == []


def test_whole_files_are_what_is_computed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert generate_figures.wrong_files() == []
    monkeypatch.setattr(generate_figures, "given", lambda what: "another\n")
    assert generate_figures.wrong_files() == ["docs/results/demo.csv is not what docs/demo_tables.py gives"]


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        (
            "<!--= settings.lease:STILL_SECONDS seconds -->91 s<!--=-->",
            "STILL_SECONDS seconds is 90 s, the page has 91 s",
        ),
        ("It keeps 99 % of them.", "99 % stands outside of markers"),
        ("It is 2.5 times as quick", "2.5 times stands outside of markers"),
        ("twice 3 h 20 min", "3 h 20 min stands outside of markers"),
        ("共 15 分钟", "15 分钟 stands outside of markers"),
        ("Under\ntwenty minutes.", "twenty minutes stands outside of markers"),
        ("It takes a quarter of an hour", "quarter of an hour stands outside of markers"),
        ("About a minute on two cores", "About a minute stands outside of markers"),
        ("```console\nmake ablation   # in 15 minutes\n```", "15 minutes stands outside of markers"),
    ],
)
def test_another_figure_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, wrong: str
) -> None:
    monkeypatch.setattr(generate_figures, "REPOSITORY", tmp_path)
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    (found,) = generate_figures.wrong(tmp_path / "page.md")
    assert found.endswith(wrong)


@pytest.mark.parametrize(
    "page",
    [
        "pictures of 48 x 48",
        "`sleep 90 s`",
        "```console\nsleep 90 s\n```",
        "ids 3 to 7",
        "version 2.0",
        "1e-5",
    ],
)
def test_what_is_no_figure_may_stand_bare(page: str) -> None:
    assert list(generate_figures.bare(page)) == []


def test_the_pictures_are_of_the_stored_result() -> None:
    document = json.loads((REPOSITORY / "docs" / "results" / "demo.json").read_text(encoding="utf-8"))
    report = generate_pictures.report_of(document)
    page = render_html(report, summarise(report))
    for arm in document["arms"]:
        assert f"{100 * arm['success'][0]:.1f}" in page
    assert "2479 jobs" in page


def test_every_promise_names_a_test_that_there_is() -> None:
    page = (REPOSITORY / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)?::(test_\w+)`", page)
    assert len(named) > 80
    file = ""
    for path, test in named:
        file = path or file  # `::test` is of the file before
        assert f"def {test}(" in (REPOSITORY / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_the_page_on_seeds_shows_what_plan_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "plan --preset demo --detect 10 --power 0.8"
    page = (REPOSITORY / "docs/seeds.md").read_text(encoding="utf-8")
    assert f"python cli.py {line}\n" in page
    assert cli.main(["--home", str(tmp_path / "new"), *line.split()]) == 0
    printed = capsys.readouterr().out
    assert f"```\n{printed[printed.index('power: ') :]}```" in page
