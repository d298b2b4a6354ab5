"""`audit` as it is typed; what it finds is tested in tests/workers/test_audit.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import main
from db import jobs
from db.engine import Database
from db.jobs import Ending
from db.states import SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tests.support import NOW, planned, start, stored, submit, worker


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["other"], "no ablation 'other'"),
        (["--slices", "many"], "--slices 'many' is neither a number nor all"),
        (["--others", "-1"], "--others '-1' is neither a number nor all"),
    ],
)
def test_wrong_words_are_named(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    submit(database, planned("a"))
    assert main(["--home", str(home.root), "audit", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_home_without_work_has_nothing_to_audit(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"))
    assert main(["--home", str(home.root), "audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checked"] == 0


def test_work_that_cannot_be_done_again_is_a_finding_and_exit_code_1(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An index made of nothing: its job has no inputs from which it could come."""
    submit(database, planned("a", kind="index", spec={"split": "training", "numbers": [0]}))
    made = stored(store, tmp_path, "index.json", b"{}", kind="index")
    environment = {"device": "cpu"}
    claim = start(database, "a", worker(database))
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[made], environment=environment), NOW)
    assert main(["--home", str(home.root), "audit", "--others", "all"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("different") and "doing it again failed" in out
