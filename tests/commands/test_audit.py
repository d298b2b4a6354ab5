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
from tasks.registry import kind_named
from tests.db.test_store import damage
from tests.support import NOW, planned, start, stored, submit, worker


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["other"], "no ablation 'other'"),
        (["--slices", "many"], "--slices 'many' is neither a number nor all"),
        (["--others", "-1"], "--others '-1' is neither a number nor all"),
        (["--slices", "0", "--others", "0"], "leave nothing to do again"),
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
    assert main(["--home", str(home.root), "audit", "--json"]) == 2
    output = capsys.readouterr()
    assert json.loads(output.out)["checked"] == 0
    assert "nothing of what was asked for has been made yet" in output.err


def test_work_that_cannot_be_done_again_is_a_finding_and_exit_code_1(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An index made of nothing: its job has no inputs from which it could come."""
    submit(database, planned("a", kind="index", spec={"split": "training", "numbers": [0]}))
    made = stored(store, tmp_path, "index.json", b"{}", kind="index")
    environment = {"device": "cpu", "body": kind_named("index").version}
    claim = start(database, "a", worker(database))
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[made], environment=environment), NOW)
    assert main(["--home", str(home.root), "audit", "--others", "all"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("different") and "doing it again failed" in out
    damage(home.root / made.path)
    assert main(["--home", str(home.root), "audit", "--others", "0", "--slices", "1", "--seed", "7"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"damaged         a: index.json, step 1: {made.path} is damaged",
        "index: 0 of 1 done again",
        "Sample of seed 7.",
    ]


def test_work_of_another_machine_alone_is_no_success(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a", kind="index", spec={"split": "training", "numbers": [0]}))
    made = stored(store, tmp_path, "index.json", b"{}", kind="index")
    claim = start(database, "a", worker(database))
    environment = {"device": "cpu", "numpy": "0.1"}
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[made], environment=environment), NOW)
    assert main(["--home", str(home.root), "audit", "--others", "all", "--json"]) == 3
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert document["not_comparable"] == 1
    assert document["sampled"] == [{"kind": "index", "checked": 1, "of": 1, "equal": 0, "bad_at_most": None}]
    assert output.err == (
        "error: 1 of 1 could not be compared here; each says why, and what another machine made is compared there\n"
    )
