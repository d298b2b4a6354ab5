"""`status`, `logs` and `/metrics` of work that nobody does: none of them says that it runs."""

from __future__ import annotations

import json
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import update

import cli
from commands.run import how_it_goes_on
from db import jobs, members, queries
from db.engine import Database
from db.jobs import Claim, Ending
from db.schema import Job, Worker
from db.states import SUCCEEDED
from db.values import Seconds
from settings.home import Home
from tests.commands.test_status import document_of, drawn, make_ablation
from tests.support import LEASE_SECONDS, start, worker
from views.prometheus import StateCollector
from views.status_screen import summary_lines
from workers.records import ablation_record

#: Beyond any process that runs.
NO_PROCESS = 2**22 + 1


def runs_of(document: dict) -> dict[str, str]:
    return {f"{run['arm']} {run['seed']}": run["doing"] for run in document["ablations"][0]["runs"]}


def begin(database: Database, worker_id: int, step: int = 50) -> Claim:
    claim = start(database, "train recon seed 0", worker_id, time.time())
    members.beat(database, worker_id, claim.job_id, {"step": step, "total": 100}, time.time())
    jobs.extend_lease(database, claim, LEASE_SECONDS, step, Seconds(took=1.0), time.time())
    return claim


def kill(database: Database, worker_id: int) -> None:
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == worker_id).values(pid=NO_PROCESS))


def figures(home: Home, database: Database) -> list[str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateCollector(home, database))
    return generate_latest(registry).decode().splitlines()


def test_nothing_runs_before_a_worker_came(home, database, capsys):
    make_ablation(database)
    document = document_of(home, capsys)
    entry = document["ablations"][0]
    assert entry["state"] == "running", "scripts read that word as: there is work left"
    assert entry["doing"] == "waiting for a worker" and entry["interrupted_jobs"] == 0
    assert set(runs_of(document).values()) == {"waiting for a worker"}
    for width in (80, 120, 200):
        text = drawn(document, width)
        assert "running" not in text and "waiting" in text
        assert max(map(len, text.splitlines())) <= width
    assert "up --until-done" in "".join(drawn(document, 400).splitlines())


def test_a_run_is_running_while_its_worker_is_there_and_the_others_wait(home, database, capsys):
    make_ablation(database)
    begin(database, worker(database))
    document = document_of(home, capsys)
    assert document["ablations"][0]["doing"] == "running"
    doing = runs_of(document)
    assert doing.pop("recon 0") == "running" and set(doing.values()) == {"waiting for a worker"}
    assert not any("interrupted" in line for line in summary_lines(document))


def test_what_a_killed_worker_did_is_interrupted(home, database, capsys):
    make_ablation(database)
    me = worker(database)
    begin(database, me)
    kill(database, me)
    document = document_of(home, capsys)
    entry = document["ablations"][0]
    assert entry["state"] == "running" and entry["jobs"]["running"] == 1, "what the rows say is as it was"
    assert entry["doing"] == "interrupted" and entry["interrupted_jobs"] == 1
    assert runs_of(document)["recon 0"] == "interrupted"
    text = drawn(document, 80)
    assert "running" not in text and "1 interrupted" in text


def test_a_killed_worker_is_told_apart_from_one_that_is_there(home, database, capsys):
    """Until the scheduler misses it, its job is nobody's."""
    make_ablation(database)
    me = worker(database, "gone")
    begin(database, me)
    kill(database, me)
    start(database, "train baseline seed 0", worker(database, "here"), time.time())
    document = document_of(home, capsys)
    doing = runs_of(document)
    assert (doing["recon 0"], doing["baseline 0"]) == ("interrupted", "running")
    assert document["ablations"][0]["doing"] == "running"
    assert "1 running, 1 interrupted" in drawn(document, 120)


def test_what_stopped_with_its_steps_saved_waits_and_so_does_what_had_no_attempt(home, database, capsys):
    """Also after a cancel and a retry, and whatever of a run is done: no attempt of it was lost."""
    make_ablation(database)
    me = worker(database)
    jobs.give_back(database, begin(database, me), Ending("preempted", 50, "stop"), time.time())
    with database.write() as tx:
        tx.execute(update(Job).where(Job.label == "train baseline seed 0").values(state=SUCCEEDED))
    kill(database, me)
    for words in ((), ("cancel",), ("retry",)):
        assert not words or cli.main(["--home", str(home.root), *words]) == 0
        capsys.readouterr()
        document = document_of(home, capsys)
        told = {document["ablations"][0]["doing"], *runs_of(document).values()} - {"succeeded"}
        assert told == ({"cancelled"} if words == ("cancel",) else {"waiting for a worker"})
        assert document["ablations"][0]["interrupted_jobs"] == 0


def test_a_worker_that_froze_for_longer_than_its_lease_does_nothing(home, database, capsys, monkeypatch):
    make_ablation(database)
    begin(database, worker(database))
    with database.write() as tx:
        tx.execute(update(Worker).values(steady_at=Worker.steady_at - 3600.0))
    assert runs_of(document_of(home, capsys))["recon 0"] == "interrupted"
    monkeypatch.setenv("BATON_QUEUE_LEASE_SECONDS", "7200")
    assert runs_of(document_of(home, capsys))["recon 0"] == "running"


def test_a_session_that_starts_workers_is_starting(home, database, capsys):
    make_ablation(database)
    members.open_session(database, "up", None, time.time())
    document = document_of(home, capsys)
    assert document["ablations"][0]["doing"] == "starting"
    assert "running" not in drawn(document, 120)


def test_who_watches_in_a_pipe_is_told_how_to_start_workers(home, database, capsys):
    make_ablation(database)
    document = document_of(home, capsys)
    assert not any("start them" in line for line in summary_lines(document))
    assert summary_lines(document, awaits=True)[-1].endswith("up --until-done")
    worker(database)
    assert not any("start them" in line for line in summary_lines(document_of(home, capsys), awaits=True))


def test_an_ablation_whose_workers_are_all_busy_elsewhere_waits_for_one(home, database, capsys):
    make_ablation(database)
    make_ablation(database, "other", seeds=1)
    with database.write() as tx:
        tx.exec_driver_sql("DELETE FROM ablation_job WHERE ablation_id = 2 AND job_id <= 2")
    begin(database, worker(database))
    lines = summary_lines(document_of(home, capsys))
    assert [", waiting for a worker" in line for line in lines] == [False, True]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_logs_of_a_job_whose_worker_is_gone_do_not_say_that_it_runs(home, database, capsys, options):
    make_ablation(database)
    me = worker(database)
    begin(database, me)
    for expected in ("running", "interrupted"):
        capsys.readouterr()
        assert cli.main(["--home", str(home.root), "logs", "train recon seed 0", *options]) == 0
        out = capsys.readouterr().out
        if options:
            document = json.loads(out)
            assert (document["state"], document["doing"]) == ("running", expected)
        else:
            assert f": {expected}, step" in out.splitlines()[0]
        kill(database, me)


def test_figures_tell_what_somebody_works_on_and_what_was_interrupted(home, database):
    make_ablation(database)
    me = worker(database)
    begin(database, me)
    run = 'ablation="mine",ablation_id="1",arm="recon",seed="0"'
    found = figures(home, database)
    assert f"baton_run_worked_on{{{run}}} 1.0" in found
    assert 'baton_jobs_interrupted{ablation="mine",ablation_id="1"} 0.0' in found
    kill(database, me)
    found = figures(home, database)
    assert f"baton_run_worked_on{{{run}}} 0.0" in found
    assert 'baton_jobs_interrupted{ablation="mine",ablation_id="1"} 1.0' in found
    assert 'baton_jobs{ablation="mine",ablation_id="1",state="running"} 1.0' in found, "as it was"


def test_the_records_of_a_report_tell_that_nobody_works(home, database):
    make_ablation(database)
    me = worker(database)
    begin(database, me)
    row = queries.ablation_row(database, "mine")
    found = ablation_record(database, row)
    assert (found.state, found.doing, found.interrupted_jobs) == ("running", "running", 0)
    kill(database, me)
    found = ablation_record(database, row)
    assert (found.state, found.doing, found.interrupted_jobs) == ("running", "interrupted", 1)


@pytest.mark.parametrize("move", ["pause", "cancel"])
def test_nobody_who_is_gone_is_said_to_stop(home, database, capsys, move):
    make_ablation(database)
    me = worker(database)
    begin(database, me)
    kill(database, me)
    assert cli.main(["--home", str(home.root), move]) == 0
    out = capsys.readouterr().out
    assert "; 1 that was interrupted is not taken up; " in out and "stops" not in out


def test_who_stops_a_session_is_told_to_go_on_where_something_is_left(home, database):
    assert how_it_goes_on(home, database) == "nothing is left to do"
    make_ablation(database)
    assert how_it_goes_on(home, database).endswith(" up --until-done")
    assert cli.main(["--home", str(home.root), "pause"]) == 0
    assert how_it_goes_on(home, database).endswith(" up --until-done"), "which says how it is unpaused"
    assert cli.main(["--home", str(home.root), "cancel"]) == 0
    assert how_it_goes_on(home, database) == "nothing is left to do"


def test_where_no_session_runs_that_is_told(home, database, capsys):
    """Also after one that ended in order, with all of its steps saved."""
    make_ablation(database)
    session = members.open_session(database, "up", None, time.time())
    said = "no session runs, and there are no workers; start them with: "
    assert said not in drawn(document_of(home, capsys), 400)
    members.close_session(database, session, "interrupted", time.time())
    document = document_of(home, capsys)
    assert said in "".join(drawn(document, 400).splitlines())
    assert summary_lines(document, awaits=True)[-1].startswith(said)
