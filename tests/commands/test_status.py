"""What `status` shows of real rows: once, watched in a pipe, and watched in a terminal of a given size."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from datetime import datetime

import pytest
from rich.console import Console
from sqlalchemy import update

import cli
from db import jobs, members, states
from db.engine import Database
from db.plans import Plan, PlannedJob, RunRef, submit
from db.schema import Session, Worker
from db.silence import Hearing
from db.values import Ending, Seconds
from settings.home import Home
from settings.typed import interpreter
from tests.processes import CLI, environment
from tests.support import LEASE_SECONDS, await_value, start, worker
from tests.terminal import in_terminal
from views.spans import span, time_left_text
from views.status import status_document
from views.status_screen import status_screen, summary_lines

ARMS = ("baseline", "recon", "recon_pretrain")


def make_ablation(database: Database, name: str = "mine", seeds: int = 2, now: float | None = None) -> None:
    """Arms and seeds with a training job of 100 steps each."""
    refs = [RunRef(arm, seed) for seed in range(seeds) for arm in ARMS]
    planned = [
        PlannedJob(f"train {ref.arm} {ref.seed}", "train", f"train {ref.arm} seed {ref.seed}", {}, "cpu", 50,
                   100, (), (ref,))
        for ref in refs
    ]  # fmt: skip
    plan = Plan(name, name, {}, planned, {ref: job.key for ref, job in zip(refs, planned)})
    submit(database, plan, f"submit {name}", now or time.time())


def finish_all(database: Database, worker_id: int) -> None:
    for arm in ARMS:
        for seed in range(2):
            claim = start(database, f"train {arm} seed {seed}", worker_id, time.time())
            jobs.succeed(database, claim, Ending(states.SUCCEEDED, 100), time.time())


def document_of(home: Home, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "status", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def drawn(document: dict, width: int, height: int | None = None, *, leaves: bool = False) -> str:
    console = Console(width=width, color_system=None, record=True, file=io.StringIO())
    console.print(status_screen(document, time.time(), width, height, leaves=leaves))
    return console.export_text()


def test_a_run_that_is_worked_on_shows_its_live_step_and_rate(home, database, capsys):
    make_ablation(database)
    worker_id = worker(database)
    claim = start(database, "train recon seed 0", worker_id, time.time() + 172_800)
    progress = {"step": 40, "total": 100, "values": {"total": 2.0, "action": 1.25, "reconstruction": 0.75}}
    members.beat(database, worker_id, claim.job_id, progress, time.time())
    jobs.extend_lease(database, claim, LEASE_SECONDS, 40, Seconds(took=1000.0), time.time())
    document = document_of(home, capsys)
    run = next(r for r in document["ablations"][0]["runs"] if (r["arm"], r["seed"]) == ("recon", 0))
    assert run["live_step"] == 40 and run["step"] == 0
    assert run["steps_per_second"] == 0.04
    for width in (80, 100, 120, 150, 200):
        text = drawn(document, width)
        row = next(line for line in text.splitlines() if " recon " in line and "40/100" in line)
        assert row.split()[:4] == [str(run["id"]), "recon", "0", "40/100"], width
        assert ("action 1.250  reconstruction 0.750" in row) == (width >= 120)
        assert "1.250" in row and ("action loss" in text) == (width < 120)
        assert "train recon seed 0 40/100" in text


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ({"step": 0, "total": 100, "values": {}, "stage": "imports"}, "0/100, imports"),
        ({"step": 0, "total": 1, "values": {}, "stage": "imports"}, "seed 0, imports"),
        ({"step": 0, "total": 64, "values": {"environment_steps": 120.0}}, "0/64, 120 steps played"),
    ],
)
def test_a_worker_says_what_it_does_before_the_first_step_is_done(home, database, capsys, progress, words):
    make_ablation(database)
    claim = start(database, "train recon seed 0", worker_id := worker(database), time.time() + 172_800)
    members.beat(database, worker_id, claim.job_id, progress, time.time())
    document = document_of(home, capsys)
    text = drawn(document, 150)
    assert next(line for line in text.splitlines() if "train recon seed 0" in line).count(words) == 1
    assert "environment_steps" not in text


def test_ablations_tell_how_they_differ_from_the_first(home, database, capsys):
    def make(key: str, **settings: object) -> None:
        job = PlannedJob(key, "train", key, {}, "cpu", 50, 1, (), ())
        submit(database, Plan(key, key, {"name": key, **settings}, [job]), f"submit {key}", time.time())

    make("one", training={"steps": 300, "batch": 8}, seeds=[0])
    assert document_of(home, capsys)["ablations"][0]["differs"] is None
    make("two", training={"steps": 600, "batch": 8}, seeds=[0])
    make("three", **{f"setting_{number}": 1 for number in range(9)})
    document = document_of(home, capsys)
    assert [entry["differs"] for entry in document["ablations"][:2]] == [
        None,
        {"from": 1, "settings": ["training.steps: 300 → 600"], "more": 0},
    ]
    assert (
        len(document["ablations"][2]["differs"]["settings"]),
        document["ablations"][2]["differs"]["more"],
    ) == (
        4,
        8,
    )
    lines = drawn(document, 80).splitlines()
    told = [line for line in lines if line.startswith("differs from ablation 1")]
    assert told[0] == "differs from ablation 1 in training.steps: 300 → 600"
    assert len(told) == 2 and len(told[1]) == 80 and told[1].endswith("…"), "one line each"
    assert status_document(home, database, "two")["ablations"][0]["differs"]["from"] == 1, "also when alone"


def test_time_left_is_a_range_of_what_was_measured(home, database, capsys):
    make_ablation(database)
    assert document_of(home, capsys)["ablations"][0]["time_left"]["untimed"] == ["train"]
    worker_id = worker(database)
    claim = start(database, "train baseline seed 0", worker_id, time.time())
    ending = Ending(states.SUCCEEDED, 100, seconds=Seconds(took=10.0))
    jobs.succeed(database, claim, ending, time.time() - 172_800)
    members.beat(database, worker_id, None, None, time.time())
    left = document_of(home, capsys)["ablations"][0]["time_left"]
    assert left["untimed"] == []
    # Five runs of 10 s at 0.1 s a step; one attempt says little, so twice as long or half as long may be.
    assert left["low_seconds"] == pytest.approx(25.0)
    assert left["high_seconds"] == pytest.approx(120.0)


def test_the_bar_gives_way_to_long_names_and_numbers(home, database, capsys):
    make_ablation(database)
    document = document_of(home, capsys)
    long = {
        "arm": "explicit_grounding",
        "live_step": 120_000,
        "target_steps": 120_000,
        "values": {"action": 1.25},
    }
    document["ablations"][0]["runs"][0] |= {**long, "steps_per_second": 0.0123, "state": "succeeded"}
    lines = drawn(document, 80).splitlines()
    (row,) = [line for line in lines if "explicit_grounding" in line]
    assert row.split()[3] == "120000/120000" and row.split()[-3:] == ["0.0123", "1.250", "succeeded"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("height", [None, 24, 50])
def test_the_screen_fits_the_terminal(home, database, capsys, width, height):
    make_ablation(database, "an-ablation-with-a-rather-long-name-that-people-do-give", seeds=20)
    members.open_session(database, "up", 3625.0, time.time() - 172_800)
    worker(database, "worker-on-a-machine-with-a-long-name")
    text = drawn(document_of(home, capsys), width, height)
    lines = text.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= width
    assert "ends in 60 min" in text
    if height is None:
        assert text.count("recon_pretrain") == 20
    else:
        assert len(lines) < height
        assert re.search(r"and \d+ more runs", text)


def test_words_for_time_left():
    known = {"low_seconds": 700.0, "high_seconds": 1500.0, "untimed": []}
    assert time_left_text(known, True) == "time left: 12 min to 25 min"
    assert "unknown while no worker" in time_left_text({**known, "low_seconds": None}, False)
    partly = {**known, "untimed": ["evaluate", "report"]}
    assert (
        time_left_text(partly, True)
        == "time left: more than 12 min (no such evaluate, report job has ended yet)"
    )
    assert time_left_text(None, True) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (40, "40 s"),
        (89, "89 s"),
        (100, "2 min"),
        (5400, "1 h 30 min"),
        (11100, "3 h 05 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_span(seconds, text):
    assert span(seconds) == text


def test_one_line_an_ablation_for_pipes(home, database, capsys):
    make_ablation(database)
    (line,) = summary_lines(document_of(home, capsys))
    assert line.startswith("mine: 0/6 jobs, time left: unknown")


def watched(home: Home, *options: str) -> list[str]:
    return [
        sys.executable,
        str(CLI),
        "--home",
        str(home.root),
        "status",
        "--watch",
        "--interval",
        "0.1",
        *options,
    ]


def test_watching_in_a_pipe_prints_lines_and_ends_with_the_work(home, database):
    make_ablation(database)
    process = subprocess.Popen(watched(home), stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    assert process.stdout.readline().startswith("mine: 0/6 jobs")
    finish_all(database, worker(database))
    assert process.stdout.read().splitlines()[-1] == "mine: succeeded"
    assert process.wait(300) == 0


def test_watching_in_a_terminal_keeps_the_last_state(home, database):
    """A real pseudo-terminal of 80 x 24: the other screen while it watches, the end on the first."""
    make_ablation(database)
    with in_terminal(watched(home)) as terminal:
        await_value(lambda: terminal.text, lambda text: "recon_pretrain" in text, "the first screen")
        finish_all(database, worker(database))
        assert terminal.wait() == 0
        text = terminal.text
    assert "\x1b[?1049h" in text and "\x1b[?1049l" in text, "the alternate screen"
    kept = text.rpartition("\x1b[?1049l")[2]
    assert "succeeded" in kept and "100/100" in kept


def test_watching_as_json_prints_a_document_a_line(home, database):
    make_ablation(database)
    finish_all(database, worker(database))
    done = subprocess.run(
        watched(home, "--json"), capture_output=True, text=True, env=environment(), check=True
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["ablations"][0]["state"] == "succeeded"


def test_heartbeats_of_other_machines_have_no_age_until_somebody_listened(home, database, capsys):
    make_ablation(database)
    here, there = worker(database, "here"), worker(database, "there")
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == there).values(host="there", boot="another start"))
    members.beat(database, here, None, None, time.time() - 172_800)
    document = document_of(home, capsys)
    mine, other = document["workers"]
    assert 0.0 <= mine["heartbeat_age_seconds"] < 60.0
    assert other["heartbeat_age_seconds"] is None
    text = drawn(document, 120)
    assert re.search(r"here .* \d+ s ago", text) and re.search(r"there .* at \d\d:\d\d:\d\d there", text)
    hearing = Hearing()
    status_document(home, database, hearing=hearing)
    members.beat(database, there, None, None, time.time() + 172_800)
    status_document(home, database, hearing=hearing)
    other = status_document(home, database, hearing=hearing)["workers"][1]
    assert 0.0 <= other["heartbeat_age_seconds"] < 60.0


@pytest.mark.parametrize("shift", [-172_800.0, 172_800.0])
def test_a_session_is_shown_as_it_counts_itself(home, database, capsys, shift):
    make_ablation(database)
    session = members.open_session(database, "up", 7200.0, time.time() + shift)
    members.note_age(database, session, 4500.0)
    text = drawn(document_of(home, capsys), 120)
    assert "for 75 min, ends in 45 min" in text
    assert f"({datetime.fromtimestamp(time.time() + 2700):%H:%M})" in text


def test_a_session_elsewhere_is_shown_with_what_it_said_and_one_that_is_gone_not_at_all(
    home, database, capsys
):
    make_ablation(database)
    gone, there = (members.open_session(database, "up", 3600.0, time.time()) for _ in range(2))
    for session, values in (
        (gone, {"pid": 2**22 + 1, "host": "spot-a"}),
        (there, {"process_space": "another start pid:[1]", "host": "spot-b"}),
    ):
        with database.write() as tx:
            tx.execute(update(Session).where(Session.id == session).values(**values))
    members.note_age(database, there, 3600.0)
    document = document_of(home, capsys)
    assert [entry["lives"] for entry in document["sessions"]] == [False, None]
    text = drawn(document, 120)
    assert "spot-a" not in text and "ends in" not in text
    assert "on spot-b for 60 min and with 0 s left when it spoke last; not seen from here" in text
    hearing = Hearing()
    status_document(home, database, hearing=hearing)
    members.note_age(database, there, 3601.0)
    assert status_document(home, database, hearing=hearing)["sessions"][1]["lives"] is True


def test_a_worker_that_was_killed_with_everything_else_is_neither_shown_nor_counted(home, database, capsys):
    make_ablation(database)
    me = worker(database)
    claim = start(database, "train recon seed 1", me, time.time())
    members.beat(database, me, claim.job_id, {"step": 40, "total": 100}, time.time())
    assert [entry["id"] for entry in document_of(home, capsys)["workers"]] == [me]
    with database.write() as tx:
        tx.execute(update(Worker).values(pid=2**22 + 1))
    document = document_of(home, capsys)
    assert document["workers"] == []
    assert not any("live_step" in run for run in document["ablations"][0]["runs"])
    text = drawn(document, 120)
    hint = f"no workers; start them with: {interpreter()} cli.py --home {home.argument} up"
    assert "".join(hint.split()) in "".join(text.split())
    assert "time left: unknown while no worker runs" in text


def test_nobody_is_told_to_start_what_starts_already(home, database, capsys):
    make_ablation(database)
    session = members.open_session(database, "up", None, time.time())
    text = drawn(document_of(home, capsys), 120)
    assert f"no workers yet: session {session} starts them" in text and "start them with" not in text


def test_the_last_picture_of_who_leaves_promises_no_workers(home, database, capsys):
    """How to go on is said below it, by who leaves."""
    make_ablation(database)
    members.open_session(database, "up", None, time.time())
    text = drawn(document_of(home, capsys), 120, 24, leaves=True)
    assert "recon_pretrain" in text and "no workers" not in text and "while no worker runs" not in text
    assert "starting" not in text and "ablation 1  waiting for a worker" in text
    told: list[str] = [
        line for leaves in (False, True) for line in summary_lines(document_of(home, capsys), leaves=leaves)
    ]
    assert ["workers are starting" in line for line in told] == [True, False]


def test_a_worker_of_this_machine_is_healthy_by_its_steady_clock(home, database, monkeypatch, capsys):
    me = worker(database)
    for moment in (time.time() - 172_800, time.time() + 172_800):
        members.beat(database, me, None, None, moment)
        assert cli.main(["--home", str(home.root), "health", "worker"]) == 0
    with database.write() as tx:
        tx.execute(update(Worker).values(steady_at=Worker.steady_at - 31.0))
    assert cli.main(["--home", str(home.root), "health", "worker"]) == 1
    assert "no worker of this machine gave a sign of life in 30 s" in capsys.readouterr().err
