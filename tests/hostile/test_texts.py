"""Names, labels, messages and hosts of strangers: on terminals, in pipes, logs and files they are nothing but texts."""

from __future__ import annotations

import ast
import csv
import io
import json
import logging
import re
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.live import Live
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

import cli
from reports.comparisons import comparisons_csv, comparisons_terminal
from reports.csv_cells import csv_text
from reports.data import ReportData
from reports.latex import escaped, table_latex
from reports.ruled import Line, ruled_png
from reports.summary import summarise
from reports.svg import legend_name
from reports.table import table_csv, terminal_table
from reports.write import write_report
from settings.home import Home
from settings.shown import as_file_name, continued, moment, one_line, plain, readable
from settings.streams import PlainStream, say
from tests.reports.samples import full
from tests.support import REPOSITORY
from tests.terminal import in_terminal
from tests.test_layers import modules
from tests.workshop import Workshop
from views.console import Console
from views.status_lines import StatusLines
from views.terminal import show
from workers.processes import log_to_stderr
from workers.troubles import last_line

Capture = pytest.CaptureFixture[str]

LETTERS = {
    "NUL": "\x00",
    "bell": "\x07",
    "backspace": "\x08",
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "carriage return": "\r",
    "shift out": "\x0e",
    "escape": "\x1b",
    "file separator": "\x1c",
    "unit separator": "\x1f",
    "delete": "\x7f",
    "padding": "\x80",
    "next line": "\x85",
    "CSI": "\x9b",
    "OSC": "\x9d",
    "application command": "\x9f",
    "Arabic mark": "\u061c",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "left-to-right embedding": "\u202a",
    "right-to-left override": "\u202e",
    "left-to-right isolate": "\u2066",
    "pop isolate": "\u2069",
    "half a character": "\ud83d",
}
letters = pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)

#: What a home of a stranger says everywhere: all of these, what looks like a line of Baton's, and Rich's markup.
FORGED = "1 artifacts: 1 ok"
POISON = "".join(LETTERS.values()).replace("\ud83d", "") + f"[2J[/bold][link=x]:smile:\n{FORGED}\n\tz"

MOVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def check(said: str) -> None:
    """That it moves nothing, and has no line that a text of a stranger begins."""
    found = MOVES.search(said)
    assert found is None, f"{found[0]!a} in {said!a}"
    assert not [line for line in said.split("\n") if line.startswith(FORGED)], said


# --- the doors --------------------------------------------------------------------------------------


@letters
def test_a_text_is_one_line_that_says_what_it_holds(letter: str) -> None:
    shown = one_line(f"a{letter}z")
    assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("z")
    assert (
        json.loads(f'"{shown}"')
        if letter == "\x7f"
        else shown == f"a{letter}z".encode("unicode_escape").decode()
    )


def test_ends_of_lines_and_tabs_stay_in_a_text_of_several() -> None:
    assert plain("a\n\tb\r\x1b") == "a\n\tb\\r\\x1b"
    assert one_line("a\n\tb") == r"a\n\tb"
    assert continued("a\nb\n") == "a\n| b\n| "


def test_letters_of_all_languages_are_shown_as_they_are() -> None:
    words = "déjà vu 你好 שלום مرحبا हिन्दी 👩‍🔬 ½ × 95\N{NO-BREAK SPACE}%"
    assert one_line(words) == plain(words) == words


def test_a_document_for_people_is_lines_all_through() -> None:
    document = {"a\nb": ["\x1b", ("\u202e", 1.5, None, True)], "n": 7}
    assert readable(document) == {r"a\nb": [r"\x1b", [r"\u202e", 1.5, None, True]], "n": 7}


@letters
@pytest.mark.parametrize("error", [False, True], ids=["output", "errors"])
def test_what_is_said_is_one_line(letter: str, error: bool, capsys: Capture) -> None:
    say(f"a{letter}\n{FORGED}", error=error)
    said = capsys.readouterr()
    text = said.err if error else said.out
    check(text)
    assert text == f"{one_line(f'a{letter}')}\\n{FORGED}\n"


@letters
def test_whatever_is_printed_moves_nothing(letter: str) -> None:
    behind = io.StringIO()
    stream = PlainStream(behind)
    print(f"a{letter}z", file=stream)  # type: ignore[call-overload]
    assert behind.getvalue() == f"a{one_line(letter)}z\n"


def test_bars_of_libraries_may_draw_their_line_anew() -> None:
    behind = io.StringIO()
    stream = PlainStream(behind)
    stream.write("\r 10 %")
    stream.write("a\rb")
    stream.writelines(["\x1b[A", "c\n"])
    assert behind.getvalue() == "\r 10 %a\\rb\\x1b[Ac\n"
    behind.isatty = lambda: True  # type: ignore[method-assign]
    stream.write("\x1b[A\x1b[A")
    stream.write("\x1b[Ax")
    assert behind.getvalue().endswith("c\n\x1b[A\x1b[A\\x1b[Ax")


@letters
@pytest.mark.parametrize("where", ["text", "cell", "title", "column"])
def test_whatever_is_drawn_moves_nothing(letter: str, where: str) -> None:
    console = Console(file=io.StringIO(), width=60)
    name = f"a{letter}z"
    table = Table(name if where == "column" else "", title=name if where == "title" else None)
    table.add_row(name if where == "cell" else "")
    console.print(Text(name) if where == "text" else table)
    check(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["[/]", "[/bold]", "[bold]a", "[link=http://x]a[/link]", ":smile:", "[red", "\\[a]"]
)
def test_names_are_no_markup(name: str) -> None:
    console = Console(file=io.StringIO(), width=60)
    table = Table(title=name)
    table.add_row(name)
    console.print(name)
    console.print(table)
    assert console.file.getvalue().count(name) == 3  # type: ignore[attr-defined]


def test_a_screen_is_drawn_past_the_door_and_prints_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = io.StringIO()
    behind.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", PlainStream(behind))
    console = Console(force_terminal=True, width=60, color_system=None)
    with Live(Text("drawn"), console=console, auto_refresh=False) as live:
        print("printed \u202e\x07")
        live.refresh()
    drawn = behind.getvalue()
    assert "\x1b[" in drawn and "drawn" in drawn
    assert "\u202e" not in drawn and "printed" in drawn


def test_bars_of_ours_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = io.StringIO()
    monkeypatch.setattr(sys, "stderr", PlainStream(behind))
    with Progress(TextColumn("{task.description}"), console=Console(stderr=True, force_terminal=True)) as bar:
        bar.add_task("a\x9b2Jz", total=1)
    assert "\x9b" not in behind.getvalue() and "\x1b[" in behind.getvalue()


# --- commands on a home of a stranger ---------------------------------------------------------------


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Everything in it that is a text of people says POISON."""
    workshop = Workshop(tmp_path_factory.mktemp("stranger") / "home")
    workshop.submit()
    workshop.finish_until("train")
    claim = workshop.claim("train")
    workshop.publish(claim, 1)
    workshop.stop("train")
    workshop.close()
    poison(workshop.home)
    return workshop.home


def poison(home: Home) -> None:
    texts = {
        "ablation": ("name", "command"),
        "job": ("label", "error"),
        "session": ("host", "command", "reason"),
        "worker": ("name", "host", "device"),
        "attempt": ("reason",),
        "artifact": ("name",),
        "event": ("message",),
        "metric": ("name",),
    }
    state = sqlite3.connect(str(home.state_file))
    with state:
        for table, columns in texts.items():
            for column in columns:
                state.execute(f"UPDATE {table} SET {column} = ? || rowid", (POISON,))
    state.close()


COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "status of one": ("status", "1"),
    "status in JSON": ("status", "--json"),
    "status of none": ("status", POISON),
    "events": ("events",),
    "events in JSON": ("events", "--json"),
    "artifacts": ("artifacts",),
    "artifacts in JSON": ("artifacts", "--json"),
    "artifacts verify": ("artifacts", "verify"),
    "artifacts gc": ("artifacts", "gc", "--dry-run"),
    "logs": ("logs", "1"),
    "logs in JSON": ("logs", "1", "--json"),
    "logs of several": ("logs", POISON[:3]),
    "logs of none": ("logs", f"no{POISON}"),
    "pause": ("pause", "1"),
    "unpause": ("unpause", "1"),
    "pause of none": ("pause", POISON),
    "retry of none": ("retry", "--job", POISON),
    "upgrade": ("upgrade",),
    "upgrade of none": ("upgrade", POISON),
    "report of none": ("report", POISON),
    "a wrong option": ("status", f"--{POISON}"),
    "a wrong command": (POISON,),
    "a wrong choice": ("artifacts", "--kind", POISON),
    "a wrong number": ("logs", "--follow", "--json", POISON),
    "a configuration that is not there": (
        "submit-ablation",
        "--detach",
        "--config",
        POISON.replace("\0", ""),
    ),
    "a wrong value": ("submit-ablation", "--detach", "--set", f"name={POISON}"),
    "a wrong key": ("submit-ablation", "--detach", "--set", f"{POISON}=1"),
    "a wrong arm": ("submit-ablation", "--detach", "--arms", POISON),
    "data that is not there": ("data", "check", POISON.replace("\0", "")),
    "a dataset that is not there": ("gaze", POISON.replace("\0", "")),
    "a bundle that is not there": ("bundle", "import", POISON.replace("\0", "")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_lets_a_text_move_the_terminal(name: str, strange: Home, capsys: Capture) -> None:
    capsys.readouterr()
    code = cli.main(["--home", str(strange.root), *COMMANDS[name]])
    said = capsys.readouterr()
    check(said.out)
    check(said.err)
    assert code in (0, 1, 2, 3)
    if code == 2:
        assert said.err.count("\n") == 1 and said.err.startswith("error: "), said.err


@pytest.mark.parametrize("name", ["status", "events", "artifacts"])
def test_what_a_stranger_wrote_is_there_in_words(name: str, strange: Home, capsys: Capture) -> None:
    capsys.readouterr()
    assert cli.main(["--home", str(strange.root), name]) == 0
    assert r"\x1b\x1c\x1f\u007f\x80\x85\x9b" in capsys.readouterr().out


def test_lines_of_a_run_are_one_each() -> None:
    stream = io.StringIO()
    entry = {"id": 1, "name": POISON, "state": "running", "jobs": {"failed": 0, "succeeded": 0}, "runs": [],
             "time_left": None}  # fmt: skip
    StatusLines(stream)({"ablations": [entry], "workers": [], "troubles": [POISON], "sessions": []})
    check(stream.getvalue())
    assert stream.getvalue().count("\n") == 2


def test_a_terminal_is_not_moved_either(strange: Home) -> None:
    words = [sys.executable, str(REPOSITORY / "cli.py"), "--home", str(strange.root), "events"]
    with in_terminal(words) as terminal:
        assert terminal.wait() == 0
        said = terminal.text.replace("\r\n", "\n")
    check(said)
    assert r"\x1b" in said


# --- logs -------------------------------------------------------------------------------------------


@letters
def test_what_is_logged_moves_nothing_and_begins_no_line(
    letter: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "stderr", PlainStream(sys.stderr))
    log_to_stderr()
    try:
        raise ValueError(f"a{letter}z\n{FORGED}")
    except ValueError:
        logging.getLogger("baton.test").exception("said %s", f"{letter}\n{FORGED}")
    said = capsys.readouterr().err
    check(said)
    assert said.count(f"| {FORGED}") == 2


def test_the_last_line_of_a_log_is_one_line_that_moves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes(b"first\n| \x1b[2J\xff\xe2\x80\xae last\n")
    assert last_line(log) == r"\x1b[2J" + "\N{REPLACEMENT CHARACTER}" + r"\u202e last"


# --- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
@pytest.mark.parametrize("rest", ["1+1", 'HYPERLINK("http://x")', " reconstruction"])
def test_no_cell_of_a_csv_begins_a_formula(first: str, rest: str) -> None:
    text = csv_text(["method", "value"], [{"method": f"{first}{rest}", "value": -0.5}])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"method": f"'{one_line(first)}{rest}", "value": "-0.5"}
    check(text)


def test_cells_that_begin_none_are_as_they_were() -> None:
    record: dict[str, Any] = {"a": "baseline", "b": -1, "c": None, "d": 1e-9, "e": 'x, "y"', "f": ""}
    (row,) = csv.DictReader(io.StringIO(csv_text(list(record), [record])))
    assert row == {"a": "baseline", "b": "-1", "c": "", "d": "1e-09", "e": 'x, "y"', "f": ""}


def test_the_tables_of_a_report_begin_no_formula() -> None:
    data = few_runs()
    runs = tuple(replace(run, title=f"+ {run.arm}") for run in data.runs)
    summary = summarise(replace(data, runs=runs))
    for text in (table_csv(summary), comparisons_csv(summary)):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=+@" and cell[:1]]
        assert not [cell for cell in cells if cell.startswith("-") and not re.fullmatch(r"-[\d.e-]+", cell)]
    assert ",'+ recon," in table_csv(summary)


def few_runs() -> ReportData:
    """Of two arms with one seed each: figures of more take seconds."""
    data = full()
    runs = {run.arm: run for run in data.runs if run.arm in ("baseline", "recon")}
    return replace(data, runs=tuple(runs.values()), random_results=None)


@pytest.fixture(scope="module")
def strange_report() -> ReportData:
    data = few_runs()
    runs = tuple(replace(run, title=f"{POISON} $\\frac{{$ {run.arm}") for run in data.runs)
    return replace(data, ablation=POISON, runs=runs, failures=(POISON,), closed_loop_warning=POISON)


def test_a_report_with_strange_titles_is_made_and_moves_nothing(
    strange_report: ReportData, tmp_path: Path
) -> None:
    files = write_report(strange_report, tmp_path)
    for name in ("report.html", "table.csv", "comparisons.csv", "table.tex", "comparisons.tex"):
        found = MOVES.search(files[name].read_text(encoding="utf-8"))
        assert found is None, f"{found[0]!a} in {name}"
    page = files["report.html"].read_text(encoding="utf-8")
    for letter in POISON[: POISON.index("[")]:
        assert one_line(letter) in page


def test_the_table_on_the_terminal_is_drawn_with_strange_titles(strange_report: ReportData) -> None:
    summary = summarise(strange_report)
    console = Console(file=io.StringIO(), width=120)
    console.print(terminal_table(strange_report, summary))
    console.print(comparisons_terminal(summary))
    check(console.file.getvalue())  # type: ignore[attr-defined]
    assert MOVES.search(table_latex(strange_report, summary)) is None


@pytest.mark.parametrize("title", ["a$b", "$\\frac{$", "$$", "a_b^c", "\\alpha", "%", "\x1b[2J\n"])
def test_pictures_and_latex_take_a_title_as_a_text(title: str) -> None:
    assert ruled_png(["Method"], [0.03], [Line(title, [])], title).startswith(b"\x89PNG")
    assert "\n" not in escaped(title) and MOVES.search(escaped(title)) is None
    assert "\n" not in legend_name(title) and legend_name(title).count("$") == legend_name(title).count(r"\$")


# --- times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [float("inf"), float("-inf"), float("nan"), 1e300, -1e300, 1e18, 2**70])
def test_a_time_that_no_calendar_has_is_shown_as_its_number(at: float) -> None:
    assert moment(at).isprintable() and len(moment(at)) < 100


@pytest.mark.parametrize("command", ["events", "logs", "status"])
def test_a_home_with_such_a_time_is_shown(command: str, tmp_path: Path, capsys: Capture) -> None:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.close()
    state = sqlite3.connect(workshop.home.state_file)
    with state:
        state.execute("INSERT INTO event (at, kind, job_id, message) VALUES (1e300, 'made up', 1, 'then')")
    state.close()
    capsys.readouterr()
    words = ["logs", "1"] if command == "logs" else [command]
    assert cli.main(["--home", str(workshop.home.root), *words]) == 0
    assert "1e+300" in capsys.readouterr().out


def test_a_pipe_gets_what_is_drawn_line_by_line(capsys: Capture) -> None:
    show(lambda width: Text("a\x1b\u2028b\nc"))
    assert capsys.readouterr().out == "a\\x1b\\u2028b\nc\n"


@pytest.mark.parametrize(
    ("import_of", "doors"),
    [
        ("csv", {"reports/csv_cells.py", "calvin/official_phrases.py"}),  # the second only reads
        ("rich.console.Console", {"views/console.py"}),
        ("rich.console", {"views/console.py"}),
        ("rich.print", set()),
    ],
)
def test_there_is_one_door(import_of: str, doors: set[str]) -> None:
    through = set()
    for file in modules():
        source = file.read_text(encoding="utf-8")
        if import_of.partition(".")[0] not in source:
            continue
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                continue
            if import_of in names and not _is_for_types(tree, node):
                through.add(str(file.relative_to(REPOSITORY)))
    assert through <= doors


def _is_for_types(tree: ast.Module, node: ast.AST) -> bool:
    blocks = [
        one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"
    ]
    return any(node in ast.walk(block) for block in blocks)


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "a/b", "a\\b", "\x00", "a\n", "名" * 500, "x" * 500, "a:b", " "]
)
def test_a_name_of_a_stranger_is_no_path(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{as_file_name(name)}_frame.png"
    file.touch()
    assert [file] == list(tmp_path.iterdir()) and file.name.isprintable()
