"""`ablation rename` and `ablation remove` as they are typed, and what is refused where a name means several."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli import main
from db import plans, queries
from db.engine import Database
from db.plans import Plan
from db.standings import standing
from db.store import ArtifactStore
from settings.home import Home
from tests.db.test_removal import two_ablations
from tests.processes import CLI
from tests.support import NOW, await_value, event_kinds, planned, start, states, submit, worker
from tests.terminal import in_terminal


def say(home: Home, *words: str) -> int:
    return main(["--home", str(home.root), *words])


def named(database: Database, key: str, name: str) -> int:
    plan = Plan(key, name, {"name": name, "seeds": [0]}, [planned(f"job of {key}")])
    return plans.submit(database, plan, "submit", NOW).ablation_id


def names(database: Database) -> dict[int, str]:
    return {row.id: row.name for row in queries.ablation_rows(database)}


def test_what_goes_and_what_stays_is_said_before_and_after(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_ablations(database, store, tmp_path)
    before = states(database)
    assert say(home, "ablation", "remove", "two") == 2
    assert capsys.readouterr().err == (
        "error: nobody can be asked here whether to remove it; say so with --yes\n"
    )
    assert states(database) == before
    assert say(home, "ablation", "remove", "two", "--yes") == 0
    assert capsys.readouterr().out.splitlines() == [
        (
            "ablation 2 (two): 3 jobs and 6 artifacts go, 23 bytes; 2 jobs and 4 artifacts stay, 25 bytes, "
            "as ablation 1 (one) asks for them too"
        ),
        "removed ablation 2 (two), and 3 files (23 bytes)",
    ]
    assert set(states(database)) == {"index", "train", "report one"}
    assert say(home, "artifacts", "verify") == 0
    assert say(home, "ablation", "remove", "1", "--yes") == 0
    assert "nothing of it stays" in capsys.readouterr().out
    assert states(database) == {} and not list(home.artifacts.glob("??/*"))


def test_the_document_of_a_removal(
    home: Home, database: Database, store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_ablations(database, store, tmp_path)
    assert say(home, "ablation", "remove", "two", "--json") == 2
    capsys.readouterr()
    assert say(home, "ablation", "remove", "two", "--yes", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "ablation": 2,
        "name": "two",
        "removed": {"jobs": 3, "artifacts": 6, "bytes": 23},
        "kept": {"jobs": 2, "artifacts": 4, "bytes": 25, "ablations": [1]},
        "freed": {"files": 3, "bytes": 23, "objects": 0, "object_bytes": 0},
    }
    assert "as ablation 1 (one) asks for them too" in printed.err


def test_files_that_are_being_published_go_later(
    home: Home,
    database: Database,
    store: ArtifactStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_ablations(database, store, tmp_path)
    monkeypatch.setattr("commands.ablation.WAIT_SECONDS", 0.05)
    with store.publication():
        assert say(home, "ablation", "remove", "two", "--yes", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["freed"] is None
    assert "artifacts gc then removes the files" in printed.err
    assert len(list(home.artifacts.glob("??/*"))) == 7
    assert say(home, "artifacts", "gc", "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"] == 3


def test_a_terminal_is_asked(home: Home, database: Database) -> None:
    submit(database, planned("a"), key="one")
    words = [sys.executable, str(CLI), "--home", str(home.root), "ablation", "remove", "one"]
    for answer, code, left in (("n", 4, {"a"}), ("y", 0, set())):
        with in_terminal(words, columns=100) as terminal:
            await_value(lambda: terminal.text, lambda text: "Remove it?" in text, "the question")
            terminal.type(f"{answer}\n")
            assert terminal.wait() == code, terminal.text
        assert "ablation 1 (one): 1 job and 0 artifacts go, 0 bytes; nothing of it stays" in terminal.text
        assert set(states(database)) == left


def test_what_is_worked_on_is_refused(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="one")
    start(database, "a", worker(database))
    assert say(home, "ablation", "remove", "one", "--yes") == 2
    assert capsys.readouterr().err == "error: 1 job of ablation 'one' runs; `cancel` it first\n"
    assert states(database) == {"a": "running"}
    assert say(home, "ablation", "remove", "one") == 2, "before anybody is asked"
    assert "runs; `cancel` it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["ablation", "remove", "same", "--yes"], ["ablation", "rename", "same", "other"], ["cancel", "same"]],
)
def test_a_name_of_two_is_refused_by_whatever_is_done_to_one(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    for key in ("first", "second"):
        named(database, key, "same")
    assert say(home, *words) == 2
    assert "2 ablations are called 'same': 1 and 2; name one by its id" in capsys.readouterr().err
    assert names(database) == {1: "same", 2: "same"} and set(states(database).values()) == {"ready"}
    words[words.index("same")] = "2"
    assert say(home, *words) == 0


def test_cancel_means_those_that_are_not_cancelled(home: Home, database: Database) -> None:
    for key in ("first", "second"):
        named(database, key, "same")
    assert say(home, "cancel", "1") == 0
    assert say(home, "cancel", "same") == 0
    assert [row.intent for row in queries.ablation_rows(database)] == ["cancelled", "cancelled"]
    assert say(home, "cancel", "same") == 2, "there is nothing left to choose by"


def test_a_name_that_is_the_id_of_another_is_refused_too(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    named(database, "first", "plain")
    named(database, "second", "1")
    assert say(home, "ablation", "remove", "1", "--yes") == 2
    assert "'1' may mean several ablations: 1 and 2; call one otherwise first: " in (
        said := capsys.readouterr().err
    )
    assert said.endswith(f"cli.py --home {home.root} ablation rename 2 NEW\n")
    assert say(home, "ablation", "rename", "2", "two") == 0
    assert say(home, "ablation", "remove", "1", "--yes") == 0
    assert names(database) == {2: "two"}


@pytest.mark.parametrize(
    "words",
    [
        ["report"],
        ["pause"],
        ["retry"],
        ["audit"],
        ["upgrade"],
        ["checkpoint", "export", "a", "0", "x", "--ablation"],
    ],
)
def test_what_is_asked_of_one_refuses_that_too(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    named(database, "first", "plain")
    named(database, "second", "1")
    assert say(home, *words, "1") == 2
    assert "'1' may mean several ablations: 1 and 2; call one otherwise first: " in (
        said := capsys.readouterr().err
    )
    assert said.endswith(f"cli.py --home {home.root} ablation rename 2 NEW\n")


def test_a_number_with_other_digits_is_an_id_too(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    named(database, "first", "plain")
    named(database, "second", "01")
    assert say(home, "cancel", "01") == 2
    assert "'01' may mean several ablations: 1 and 2; call one otherwise first: " in (
        said := capsys.readouterr().err
    )
    assert said.endswith(f"cli.py --home {home.root} ablation rename 2 NEW\n")


def test_an_id_means_no_name(database: Database) -> None:
    named(database, "first", "2")
    named(database, "second", "1")
    for number, name in {1: "2", 2: "1"}.items():
        (entry,) = standing(database, number).ablations
        assert (entry.id, entry.name) == (number, name)
        row = queries.ablation_row(database, number)
        assert row is not None and row.name == name
    assert queries.ablation_row(database, 3) is None


def test_a_new_name_stands_in_the_settings_too(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    named(database, "first", "one")
    assert say(home, "ablation", "rename", "one", "the long one") == 0
    assert capsys.readouterr().out == "ablation 1, which was called one, is called the long one\n"
    (row,) = queries.ablation_rows(database)
    assert (row.name, row.key, row.config) == (
        "the long one",
        "first",
        {"name": "the long one", "seeds": [0]},
    )
    assert event_kinds(database)[-1] == "ablation_renamed"
    assert say(home, "ablation", "rename", "the long one", "the long one") == 0, "its own name"
    assert say(home, "ablation", "rename", "the  long one", " another ") == 0
    assert names(database) == {1: "another"}
    assert say(home, "pause", "one") == 2
    said = capsys.readouterr().err
    assert "there is no ablation 'one' in this home: ablation 1 was called so until " in said
    assert said.endswith(" and is called 'another' now\n")


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("two", "ablation 2 is called 'two' already"),
        ("2", "'2' means ablation 2 already, which is called 'two'"),
        ("a/b", "NEW, 'a/b': a name must do for a folder"),
        ("x" * 101, "a name has 1 to 100 characters, this one has 101"),
        ("a\tb", "a name has characters that can be printed"),
        ("two ", "ablation 2 is called 'two' already"),
        (" \uff54wo", "ablation 2 is called 'two' already"),
        ("3", "'3' is a number, which is the id of an ablation"),
        (" ", "a name has 1 to 100 characters, this one has 0"),
    ],
)
def test_a_name_that_is_taken_or_is_none_is_refused(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], new: str, says: str
) -> None:
    named(database, "first", "one")
    named(database, "second", "two")
    assert say(home, "ablation", "rename", "one", new) == 2
    assert says in capsys.readouterr().err
    assert names(database) == {1: "one", 2: "two"}


def test_the_name_of_a_cancelled_ablation_is_free(home: Home, database: Database) -> None:
    named(database, "first", "one")
    named(database, "second", "two")
    assert say(home, "cancel", "two") == 0
    assert say(home, "ablation", "rename", "one", "two") == 0
    assert names(database) == {1: "two", 2: "two"}


def test_an_ablation_that_is_not_there_is_named(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["remove", "nothing", "--yes"],
        ["remove", "nothing"],
        ["remove", "nothing", "--json"],
        ["rename", "nothing", "x"],
        ["drop", "nothing", "recon"],
    ):
        assert say(home, "ablation", *words) == 2
        err = capsys.readouterr().err
        assert "there is no ablation 'nothing' in this home; those that there are: " in err
        assert err.endswith(f"cli.py --home {home.argument} status\n")


def test_what_is_mistyped_is_told_before_anybody_is_asked(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"name": "smoke-2", "seeds": [0], "arms": ["recon", "baseline"]}
    plans.submit(database, Plan("one", "smoke-2", config, [planned("a")]), "submit", NOW)
    for words, told in (
        (["remove", "smoke_2"], "there is no ablation 'smoke_2' (did you mean 'smoke-2'?) in this home"),
        (
            ["drop", "smoke_2", "recon"],
            "there is no ablation 'smoke_2' (did you mean 'smoke-2'?) in this home",
        ),
        (["drop", "smoke-2", "recom"], "there is no arm 'recom' (did you mean 'recon'?) in this ablation"),
    ):
        assert say(home, "ablation", *words) == 2
        assert told in capsys.readouterr().err
    assert states(database) == {"a": "ready"}
