"""pause, unpause, cancel and retry as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from cli import main
from db import members, queries, standings
from db.engine import Database
from db.schema import Job
from db.states import CANCELLED, FAILED, READY, RUNNING, SUCCEEDED
from settings.home import Home
from settings.typed import typed
from tests import job_specs
from tests.support import NOW, event_kinds, planned, row, start, states, submit, two_of_a_name, worker
from tests.training import training_spec


def test_an_ablation_is_paused_cancelled_and_brought_back(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), planned("b", ["a"]), key="mine")
    where = ["--home", str(home.root)]
    assert main([*where, "pause", "mine"]) == 0
    undo = typed("unpause 1", home)
    assert capsys.readouterr().out == f"ablation mine: 2 jobs paused; undo it with: {undo}\n"
    assert main([*where, "unpause"]) == 0
    assert main([*where, "cancel", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "target": {"kind": "ablation", "id": 1}, "what": "cancelled", "jobs": 2, "running": 0,
    }  # fmt: skip
    assert set(states(database).values()) == {CANCELLED}
    assert main([*where, "unpause", "mine"]) == 2
    assert "retry brings it back" in capsys.readouterr().err
    assert main([*where, "retry", "--job", "b"]) == 0
    told = capsys.readouterr().out
    assert told.endswith(f" retried; run them with: {typed('up --until-done', home)}\n")
    assert states(database)["a"] == READY, "b needs it"
    worker(database)
    assert main([*where, "cancel"]) == 0 and main([*where, "retry"]) == 0
    cancelled, retried = capsys.readouterr().out.splitlines()
    assert cancelled.endswith(f" cancelled; undo it with: {typed('retry 1', home)}")
    assert retried == "ablation mine: 2 jobs retried", "somebody is here to run them"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pause", "other"], "no ablation 'other'"),
        (["pause", "--job", "nothing"], "no job 'nothing'"),
        (["pause", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["retry", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["report", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["status", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["audit", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["upgrade", "mien"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["ablation", "remove", "mien", "--yes"], "no ablation 'mien' (did you mean 'mine'?)"),
        (["cancel", "--run", "9"], "no run 9"),
        (["cancel", "mine", "--job", "a"], "name one thing"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_changes(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    submit(database, planned("a"), key="mine")
    assert main(["--home", str(home.root), *words]) == 2
    assert message in capsys.readouterr().err
    assert (states(database), row(database, "a").held) == ({"a": READY}, False)


def test_a_home_where_all_is_paused_ends_with_code_4(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    where = ["--home", str(home.root)]
    assert main([*where, "pause", "mine"]) == 0
    assert main([*where, "up", "--until-done"]) == 4
    told = capsys.readouterr().err
    assert "mine: paused, with everything saved" in told and told.endswith("up --until-done\n")


def test_two_of_one_name_are_told_apart_and_none_is_cancelled_by_chance(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_of_a_name(database)
    where = ["--home", str(home.root)]
    for words in (["cancel"], ["cancel", "mine"]):
        assert main([*where, *words]) == 2
        err = capsys.readouterr().err
        assert str(first) in err and str(second) in err and "mine" in err
    assert set(states(database).values()) == {READY}
    assert main([*where, "pause"]) == 0
    assert capsys.readouterr().out.startswith(f"ablation mine ({second}): 1 job paused; undo it with: ")
    assert main([*where, "cancel", str(first)]) == 0
    assert states(database) == {"a": CANCELLED, "b": READY}


def test_without_a_name_what_is_not_over_is_meant(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="older")
    submit(database, planned("b"), key="newer")
    where = ["--home", str(home.root)]
    assert main([*where, "cancel", "newer"]) == 0
    assert main([*where, "pause"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("ablation older: 1 job paused; ")
    assert main([*where, "cancel"]) == 0
    assert set(states(database).values()) == {CANCELLED}
    capsys.readouterr()
    assert main([*where, "retry"]) == 2
    assert (
        "2 ablations have failed or were cancelled: older (1), newer (2); name one" in capsys.readouterr().err
    )
    assert main([*where, "retry", "older"]) == 0
    assert main([*where, "retry"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("ablation newer: 1 job retried; ")


def test_pause_without_a_name_is_for_what_runs_and_unpause_for_what_is_paused(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, label in (("first", "a"), ("second", "b"), ("third", "c")):
        submit(database, planned(label), key=key)
    where = ["--home", str(home.root)]
    for words, name in (("pause", "third"), ("pause", "second"), ("unpause", "third"), ("pause", "third")):
        capsys.readouterr()
        assert main([*where, words]) == 0
        assert capsys.readouterr().out.startswith(f"ablation {name}: 1 job {words}d; ")
    assert row(database, "a").held is False


def test_unpause_without_a_name_is_for_none_that_is_over(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="older")
    submit(database, planned("b"), key="newer")
    where = ["--home", str(home.root)]
    assert main([*where, "cancel", "newer"]) == 0
    capsys.readouterr()
    assert main([*where, "unpause"]) == 0
    assert capsys.readouterr().out.startswith("ablation older was not paused")


def test_retry_without_a_name_is_for_what_failed_before_what_was_cancelled(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="failed")
    submit(database, planned("b"), key="cancelled")
    submit(database, planned("c"), key="runs")
    where = ["--home", str(home.root)]
    assert main([*where, "cancel", "cancelled"]) == 0
    with database.write() as tx:
        tx.execute(update(Job).where(Job.label == "a").values(state=FAILED))
    capsys.readouterr()
    assert main([*where, "retry"]) == 0
    assert capsys.readouterr().out.startswith("ablation failed: 1 job retried; ")
    assert main([*where, "retry"]) == 0
    assert capsys.readouterr().out.startswith("ablation cancelled: 1 job retried; ")


def test_a_training_that_failed_goes_on_over_more_devices(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    work = planned("train", kind="train", spec=job_specs.spec_of("train", training_spec(9)))
    submit(database, work, planned("other", kind="report", spec=job_specs.spec_of("report")), key="mine")
    again = ["--home", str(home.root), "retry", "--devices", "4"]
    assert main([*again, "--job", "train"]) == 2
    cancel, divide = (typed(f"{words} 1", home) for words in ("cancel --job", "retry --job"))
    first = (
        f"is ready: cancel it first, then it goes on over other devices: {cancel}, then {divide} --devices 4"
    )
    assert first in capsys.readouterr().err
    with database.write() as tx:
        tx.execute(update(Job).values(state=RUNNING, cancel_requested=True))
    assert main([*again, "--job", "train"]) == 2
    ended = "is being cancelled: once it has ended, it goes on over other devices"
    assert f"{ended}: {typed('up --until-done', home)}, then {divide} --devices 4" in capsys.readouterr().err
    with database.write() as tx:
        tx.execute(update(Job).values(state=SUCCEEDED, cancel_requested=False))
    assert main([*again, "--job", "train"]) == 2
    assert capsys.readouterr().err.endswith(
        "job 1 (train) has succeeded: nothing of it is left to go on over other devices\n"
    )
    with database.write() as tx:
        tx.execute(update(Job).values(state=FAILED, learned={"micro_batch": [[3, 1]]}))
    assert main([*again, "--job", "other"]) == 2
    assert "only training is divided over devices" in capsys.readouterr().err
    assert main([*again, "mine"]) == 2
    assert "--devices is for one job" in capsys.readouterr().err
    assert main([*again, "--job", "train"]) == 0
    entry = row(database, "train")
    assert (entry.state, entry.learned) == (READY, {"micro_batch": [[3, 1]], "devices": 4})
    assert "job_devices" in event_kinds(database)


def test_a_job_of_what_was_cancelled_is_worked_on_again(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also over other devices; and `up` finds something to do."""
    work = planned("train", kind="train", spec=job_specs.spec_of("train", training_spec(9)))
    submit(database, work, planned("other"), key="mine")
    where = ["--home", str(home.root)]
    for more in ([], ["--devices", "1"]):
        assert main([*where, "cancel", "mine"]) == 0
        capsys.readouterr()
        assert main([*where, "retry", "--job", "train", *more]) == 0
        assert capsys.readouterr().out.endswith(
            f"1 job retried; run them with: {typed('up --until-done', home)}\n"
        )
        assert [entry.name for entry in standings.open_ablations(database)] == ["mine"]
        assert (states(database), row(database, "train").held) == (
            {"train": READY, "other": CANCELLED},
            False,
        )
    told = [event.message for event in queries.events(database) if event.kind == "job_devices"]
    assert told == ["job 1 (train) goes on over 1 device"]


def test_a_retry_of_what_is_paused_says_how_it_goes_on(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    where = ["--home", str(home.root)]
    assert main([*where, "pause", "mine"]) == 0
    assert main([*where, "cancel", "--job", "a"]) == 0
    capsys.readouterr()
    assert main([*where, "retry", "--job", "a"]) == 0
    unpause = typed("unpause 1", home)
    assert capsys.readouterr().out.endswith(f" retried; what it is of is paused; go on with: {unpause}\n")


def test_up_tells_of_each_of_two_with_one_name(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state of the first is not lost behind that of the second."""
    first, second = two_of_a_name(database)
    where = ["--home", str(home.root)]
    assert main([*where, "pause", str(first)]) == 0
    assert main([*where, "cancel", str(second)]) == 0
    assert main([*where, "up", "--until-done"]) == 4
    assert f"mine ({first}): paused, with everything saved" in capsys.readouterr().err


def test_what_has_ended_says_so_and_stays_what_it_was(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    with database.write() as tx:
        tx.execute(update(Job).values(state=SUCCEEDED))
    where = ["--home", str(home.root)]
    for word, done, instead in (
        ("pause", "paused", "report 1"),
        ("unpause", "unpaused", "report 1"),
        ("cancel", "cancelled", "ablation remove 1"),
        ("retry", "retried", "audit"),
    ):
        assert main([*where, word, "mine"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(
            f"ablation mine has ended and all of it succeeded, so nothing is {done}; its report: "
        )
        assert said.endswith(f"cli.py --home {home.root} {instead}\n")
        assert main([*where, word, "--job", "a"]) == 0
        assert "job 1 (a) has ended and all of it succeeded" in capsys.readouterr().out
    assert not {"ablation_cancelled", "ablation_paused", "job_cancelled"} & set(event_kinds(database))
    (there,) = queries.ablation_rows(database)
    assert there.intent == "active"


def test_a_retry_of_what_is_still_to_be_done_says_how_to_go_on(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--home", str(home.root)]
    assert main([*where, "cancel"]) == 2
    assert capsys.readouterr().err.endswith(f"cli.py --home {home.root} submit-ablation\n")
    submit(database, planned("a"), key="mine")
    assert main([*where, "retry", "mine"]) == 0
    assert capsys.readouterr().out.endswith(f"go on with it: {typed('up --until-done', home)}\n")


def test_without_a_home_there_is_a_command_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path / "none"), "cancel"]) == 2
    assert (
        f"make one with: {typed('submit-ablation', Home(tmp_path / 'none'))}; or" in capsys.readouterr().err
    )


def test_what_was_so_already_is_told_as_it_was(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    undone_by = {word: typed(f"{word} 1", home) for word in ("unpause", "retry")}
    where = ["--home", str(home.root)]
    for words, again in (
        (["unpause"], "ablation mine was not paused"),
        (["pause", "mine"], f"ablation mine was paused already; undo it with: {undone_by['unpause']}"),
        (["cancel", "mine"], f"ablation mine was cancelled already; undo it with: {undone_by['retry']}"),
    ):
        assert main([*where, *words]) == 0
        events = event_kinds(database)
        capsys.readouterr()
        assert main([*where, *words]) == 0
        assert capsys.readouterr().out == f"{again}\n"
        assert event_kinds(database) == events
    assert main([*where, "retry", "mine"]) == 0
    assert main([*where, "pause", "mine"]) == 0
    capsys.readouterr()
    assert main([*where, "unpause", "--job", "a"]) == 0
    told = f"job 1 (a) was not paused itself; jobs of it are held by what else is paused: {typed('status', home)}\n"
    assert capsys.readouterr().out == told
    with database.write() as tx:
        tx.execute(update(Job).values(state=FAILED))
    assert main([*where, "cancel", "--job", "a"]) == 0
    assert "job 1 (a) has failed already, so nothing is cancelled; " in capsys.readouterr().out


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_retry_of_what_is_paused_says_that_it_is_so_no_more(
    is_watched: bool, home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    where = ["--home", str(home.root)]
    assert main([*where, "pause", "mine"]) == 0
    how = f"go on with it: {typed('up --until-done', home)}"
    if is_watched:
        members.open_session(database, "up", None, NOW)
        how = f"session 1, which runs, takes it up; watch it with: {typed('status --watch', home)}"
    capsys.readouterr()
    assert main([*where, "retry", "mine"]) == 0
    told = "nothing of it had failed or was cancelled, and it is paused no more"
    assert capsys.readouterr().out == f"ablation mine: {told}; {how}\n"
    assert row(database, "a").held is False
    assert main([*where, "retry", "mine"]) == 0
    assert capsys.readouterr().out == f"ablation mine: nothing of it had failed or was cancelled; {how}\n"


def test_a_retry_of_what_something_else_holds_says_where_to_look(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    where = ["--home", str(home.root)]
    assert main([*where, "pause", "mine"]) == 0
    capsys.readouterr()
    assert main([*where, "retry", "--job", "a"]) == 0
    assert capsys.readouterr().out.endswith(
        f"; jobs of it are held by what else is paused: {typed('status', home)}\n"
    )


def test_a_retry_of_what_has_not_stopped_yet_says_that_it_goes_on(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(database, planned("a"), key="mine")
    start(database, "a", worker(database))
    where = ["--home", str(home.root)]
    assert main([*where, "cancel", "mine"]) == 0
    capsys.readouterr()
    assert main([*where, "retry", "mine"]) == 0
    told = (
        "its cancellation is taken back before anything of it stopped; workers are there, which take it up; "
    )
    assert capsys.readouterr().out.startswith(f"ablation mine: {told}watch them with: ")
