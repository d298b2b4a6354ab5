"""Bundles of strangers with code in them: none of it runs, whatever they say of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import cli
from db import code
from db.migrate import open_state
from errors import CodeNotAllowed, InvalidInput
from experiments.foreign import ForeignJobs
from settings.code_source import Source
from settings.home import Home
from tests.db.bundle.conftest import content
from tests.db.bundle.conftest import sealed as sealed
from tests.db.bundle.forge import Parts, forged
from tests.hostile.sentences import LONGEST_SENTENCE

pytestmark = pytest.mark.timeout(120)

SOURCE = Source({"mine.py": "raise SystemExit('it was run')\nclass Mine: ...\n"})
NAME = f"mine:Mine@{SOURCE.digest}"


def sql_text(value: object) -> str:
    return "'" + json.dumps(value).replace("'", "''") + "'"


def brings(parts: Parts, digest: str = SOURCE.digest, files: object = None, settings: object = None) -> None:
    """A row that says it is allowed, and an ablation that names it."""
    told = dict(SOURCE.files) if files is None else files
    parts.sql(
        "INSERT INTO code (digest, files, command, created_at, allowed) "
        f"VALUES ('{digest}', {sql_text(told)}, 'submit-ablation', 1.0, 1)",
        f"UPDATE ablation SET config = {sql_text(settings or {'gaze': {'detector': NAME}})}",
    )


def test_code_that_a_bundle_says_is_allowed_is_not(
    sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(tmp_path / "home")
    bundle = forged(sealed, tmp_path, brings)
    assert cli.main(["--home", home, "bundle", "import", str(bundle)]) == 0
    for words in (["up"], ["up", "--until-done"], ["worker", "--resources", "cpu"], ["audit"]):
        capsys.readouterr()
        assert cli.main(["--home", home, *words]) == 2
        err = capsys.readouterr().err
        assert (
            err.startswith("error: mine.py (Mine) is code that came with a bundle") and err.count("\n") == 1
        )
        assert f"up --until-done --allow-code {SOURCE.digest}" in err and len(err) < LONGEST_SENTENCE
    for words in (
        ["status"],
        ["report"],
        ["events"],
        ["artifacts"],
        ["bundle", "export", str(tmp_path / "on")],
    ):
        assert cli.main(["--home", home, *words]) in (0, 2)
        assert "it was run" not in "".join(capsys.readouterr())
    database = open_state(Home(Path(home)))
    with pytest.raises(CodeNotAllowed):
        code.admit(database, {"detector": NAME})
    database.close()


def test_what_was_allowed_here_stays_so_when_a_bundle_brings_it_again(sealed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    bundle = forged(sealed, tmp_path, brings)
    assert cli.main(["--home", str(home), "bundle", "import", str(bundle)]) == 0
    database = open_state(Home(home))
    code.allow(database, [SOURCE.digest], 1.0)
    database.close()
    assert cli.main(["--home", str(home), "bundle", "export", str(tmp_path / "on")]) == 0
    other = tmp_path / "other"
    assert cli.main(["--home", str(other), "bundle", "import", str(tmp_path / "on")]) == 0
    assert cli.main(["--home", str(other), "bundle", "export", str(tmp_path / "back")]) == 0
    assert cli.main(["--home", str(home), "bundle", "import", str(tmp_path / "back")]) == 0
    for place, allowed in ((home, True), (other, False)):
        database = open_state(Home(place))
        with database.read() as tx:
            found = tx.exec_driver_sql("SELECT allowed FROM code").fetchall()
        database.close()
        assert found == [(allowed,)]


REFUSED: dict[str, tuple[Callable[[Parts], None], str]] = {
    "a digest that is another's": (lambda parts: brings(parts, "0" * 64), "has another digest"),
    "a digest that is none": (lambda parts: brings(parts, "../x"), "has another digest"),
    "a file above": (lambda parts: brings(parts, files={"../x.py": ""}), "no place of a module"),
    "a file of the system": (lambda parts: brings(parts, files={"/etc/x.py": ""}), "no place of a module"),
    "a name of Baton's": (lambda parts: brings(parts, files={"settings/x.py": ""}), "a name of Baton's"),
    "no files": (lambda parts: brings(parts, files={}), "0 files"),
    "a file that is no text": (lambda parts: brings(parts, files={"x.py": [1]}), "no text"),
    "files that are a list": (lambda parts: brings(parts, files=["x.py"]), "no object"),
    "a class without source": (
        lambda parts: brings(parts, settings={"gaze": {"detector": f"mine:Mine@{'1' * 64}"}}), "did not come along"
    ),
    "a class without digest": (
        lambda parts: brings(parts, settings={"gaze": {"detector": "mine:Mine"}}), "did not come along"
    ),
    "a class of a row": (
        lambda parts: brings(parts, settings={"arms": {"a": {"policy": {"kind": "own", "class": "os:system"}}}}),
        r"arms\.a\.policy\.class: 'os:system' is a class whose source did not come along",
    ),
    "a class of an arm": (
        lambda parts: brings(parts, settings={"arms": {"a": {"base": "recon", "set": {"gaze": {"detector": "x:Y"}}}}}),
        r"arms\.a\.set\.gaze\.detector: 'x:Y' is a class whose source did not come along",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_code_that_is_not_what_it_says_keeps_a_bundle_out(
    case: str, sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, says = REFUSED[case]
    home = Home(tmp_path / "home")
    bundle = forged(sealed, tmp_path, change)
    assert cli.main(["--home", str(home.root), "bundle", "import", str(bundle)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and len(err) < LONGEST_SENTENCE
    assert re.search(says, err), err
    assert not home.root.exists() and content(home) == ({}, None)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("gaze", {"detector": NAME}),
        ("evaluate", {"simulator": NAME}),
        ("evaluate", {"mode": "closed_loop", "policy": {"kind": "own", "class": NAME}}),
        ("evaluate", {"mode": "closed_loop", "gaze": {"detector": NAME}}),
    ],
)
def test_a_job_names_only_code_that_came_along(kind: str, told: dict[str, object], tmp_path: Path) -> None:
    judge = ForeignJobs(tmp_path)
    with pytest.raises(ValueError, match="did not come along"):
        judge.parameters(kind, told)
    judge.code(SOURCE.digest, SOURCE.files)
    assert judge.parameters(kind, told)


def test_a_job_of_code_that_nobody_allowed_is_not_run(sealed: Path, tmp_path: Path) -> None:
    """Also where no ablation names it, so that no command has asked."""
    home = Home(tmp_path / "home")
    unnamed = forged(sealed, tmp_path, lambda parts: brings(parts, settings={"seeds": [0]}))
    assert cli.main(["--home", str(home.root), "bundle", "import", str(unnamed)]) == 0
    database = open_state(home)
    code.need_allowed(database)
    for value, error in (({"detector": NAME}, CodeNotAllowed), ({"x": f"a:B@{'2' * 64}"}, InvalidInput)):
        with pytest.raises(error):
            code.admit(database, value)
    database.close()
