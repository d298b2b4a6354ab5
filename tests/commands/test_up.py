"""`up` with services beside the work: told of at once, linked from `status`, started again, gone at the end."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import update

import cli
from commands.show import Written
from db import jobs, standings, states
from db.engine import Database
from db.schema import Job
from db.values import Ending
from errors import EnvironmentLacks, Stopped
from settings.gang_address import VARIABLE
from settings.gpus import Given
from settings.home import Home
from settings.typed import interpreter, typed
from tests.commands.test_flower import await_flower, status
from tests.commands.test_status import ARMS, finish_all, make_ablation
from tests.processes import await_gone, of_home, one_of_home, running
from tests.support import NOW, await_value, planned, start, submit, worker
from tests.tensorboard import tensorboard as tensorboard
from views.flower import password
from workers.services import SERVICES

OPTIONS = {name: (f"--{name}", f"--{name}-port") for name in SERVICES}


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def answer(url: str) -> str:
    """What is there; empty while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=60) as page:
            return str(page.read().decode())
    except OSError:
        return ""


def links(home: Home, capsys: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    return {name: document[name] for name in SERVICES}


def test_services_run_beside_the_work_and_end_with_it(
    home: Home,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tensorboard: dict[str, str],
) -> None:
    make_ablation(database)
    ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    words = [word for name, port in ports.items() for word in (OPTIONS[name][0], OPTIONS[name][1], str(port))]
    log = tmp_path / "log"
    assert set(links(home, capsys).values()) == {None}
    with running(
        ["--home", str(home.root), "up", "--cpus", "0", "--gpus", "none", *words], log, **tensorboard
    ) as up:
        await_flower(ports["flower"])
        assert status(ports["flower"], password(home))[0] == 200
        metrics = f"http://127.0.0.1:{ports['metrics']}/metrics"
        await_value(lambda: answer(metrics), lambda text: 'ablation="mine"' in text, "figures are served")
        events = f"http://127.0.0.1:{ports['tensorboard']}"
        await_value(lambda: answer(events), bool, "TensorBoard answers")
        found = links(home, capsys)
        assert found["tensorboard"] == events and found["metrics"] == metrics
        assert found["flower"] == f"http://127.0.0.1:{ports['flower']}"
        assert cli.main(["--home", str(home.root), "status"]) == 0
        shown = capsys.readouterr().out
        said = log.read_text()
        for name, service in SERVICES.items():
            assert f"{service.title} {found[name]}" in shown
            assert f"{service.title}: {found[name]}" in said
        assert password(home) not in said

        killed = one_of_home(home, "metrics")
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
        await_value(lambda: answer(metrics), bool, "the figures are back")
        everything = of_home(home)
        one_of_home(home, "tensorboard").send_signal(
            signal.SIGKILL
        )  # the server that it started ends with it
        up.send_signal(signal.SIGTERM)
        assert up.wait(300) == 4, log.read_text()
        await_gone([process for process in everything if process.pid != up.pid])
    assert of_home(home) == []
    assert set(links(home, capsys).values()) == {None}


@pytest.mark.parametrize(
    ("words", "said"), [(["pause"], "go on with: "), (["cancel"], "; nothing is left to do\n")]
)
def test_who_stops_it_is_told_to_go_on_where_something_is_left(
    words: list[str], said: str, home: Home, database: Database, tmp_path: Path
) -> None:
    make_ablation(database)
    assert cli.main(["--home", str(home.root), *words]) == 0
    log = tmp_path / "log"
    with running(["--home", str(home.root), "up", "--cpus", "0", "--gpus", "none"], log) as up:
        await_value(lambda: standings.standing(database).sessions, bool, "a session")
        up.send_signal(signal.SIGTERM)
        assert up.wait(300) == 4, log.read_text()
    assert said in log.read_text().rpartition("error: stopped (")[2]


@pytest.mark.parametrize("name", SERVICES)
def test_a_taken_port_is_told_before_anything_starts(
    name: str, home: Home, database: Database, capsys: pytest.CaptureFixture[str], tensorboard: dict[str, str]
) -> None:
    make_ablation(database)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = ["up", "--cpus", "0", "--gpus", "none", OPTIONS[name][0], OPTIONS[name][1], str(port)]
        for words, option in ((up, OPTIONS[name][1]), ([name, "--port", str(port)], "--port")):
            assert cli.main(["--home", str(home.root), *words]) == 3
            said = capsys.readouterr().err
            title = SERVICES[name].title
            assert said.startswith(f"error: {title} cannot listen on 127.0.0.1:{port} (")
            assert said.endswith(f"); name another port with {option}\n") and said.count("\n") == 1
    assert of_home(home) == []


def test_a_home_with_nothing_left_to_do_says_so(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    assert cli.main(words) == 0
    assert f"nothing was submitted yet; do it with: {interpreter()} cli.py --home" in capsys.readouterr().err
    make_ablation(database)
    finish_all(database, worker(database))
    assert cli.main(words) == 0
    assert capsys.readouterr().err == "mine: succeeded, nothing is left to do\n"


def test_an_ablation_that_failed_is_told_with_reasons(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each reason once: a dataset that is not on this machine fails hundreds of jobs alike."""
    make_ablation(database)
    me = worker(database)
    for number, arm in enumerate(ARMS):
        for seed in range(2):
            claim = start(database, f"train {arm} seed {seed}", me, time.time())
            reason = "out of luck" if (number, seed) == (0, 0) else "my-data is not a folder"
            jobs.end(database, claim, Ending(states.FAILED, 0, reason), time.time())
    words = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    assert cli.main(words) == 1
    assert capsys.readouterr().err.splitlines() == [
        "mine: failed, nothing is left to do",
        f"error: mine: train {ARMS[0]} seed 0: out of luck",
        f"error: mine: train {ARMS[1]} seed 0 and {2 * len(ARMS) - 2} more: my-data is not a folder",
        f"mine: once that is mended: {typed('retry 1', home)}, then {typed('up --until-done', home)}",
    ]


def test_until_done_ends_with_the_report_of_what_it_finished(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not of what had ended before."""
    me = worker(database)

    def finish(label: str) -> None:
        jobs.succeed(database, start(database, label, me), Ending(states.SUCCEEDED, 0), NOW)

    for name in ("a", "b"):
        submit(database, planned(name), key=name)
    finish("a")
    reported: list[tuple[int, ...]] = []
    monkeypatch.setattr("commands.run.run_home", lambda *_, **__: finish("b") if not reported else None)
    monkeypatch.setattr("commands.show.write_report", lambda _home, _database, ids: reported.append(ids))
    monkeypatch.setattr("commands.show.print_report", lambda _written, as_json: None)
    words = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    assert cli.main(words) == 0
    assert reported == [(2,)]
    assert cli.main(words) == 0
    assert reported == [(2,)]


def test_until_done_ends_with_the_report_of_what_came_while_it_ran_too(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of one that had ended and grew, or was paused and went on."""
    me = worker(database)

    def finish(*labels: str) -> None:
        for label in labels:
            jobs.succeed(database, start(database, label, me), Ending(states.SUCCEEDED, 0), NOW)

    def session(*_: object, **__: object) -> None:
        finish("begun")
        submit(database, planned("came"), key="came")
        assert cli.main(["--home", str(home.root), "unpause", "held"]) == 0
        submit(database, planned("failed"), key="failed")
        with database.write() as tx:
            tx.execute(update(Job).where(Job.label == "failed").values(state=states.FAILED, error="luck"))
        finish("came", "held")

    for name in ("over", "begun", "held"):
        submit(database, planned(name), key=name)
    finish("over")
    assert cli.main(["--home", str(home.root), "pause", "held"]) == 0
    reported: list[tuple[int, ...]] = []
    monkeypatch.setattr("commands.run.run_home", session)
    monkeypatch.setattr("commands.show.write_report", lambda _home, _database, ids: reported.append(ids))
    monkeypatch.setattr("commands.show.print_report", lambda _written, as_json: None)
    capsys.readouterr()
    words = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    assert cli.main(words) == 1
    assert reported == [(2,), (3,), (4,), (5,)]
    told = capsys.readouterr().err
    assert "came: writing the report ..." in told and "error: failed: failed: luck" in told


@pytest.mark.parametrize("command", [["up"], ["submit-ablation", "--preset", "smoke"]])
def test_who_stops_it_is_told_how_to_get_the_reports_of_what_it_finished(
    command: list[str],
    home: Home,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There may be no time to write them. The last line says how the rest goes on."""

    def session(*_: object, **__: object) -> None:
        jobs.succeed(database, start(database, "b", worker(database)), Ending(states.SUCCEEDED, 0), NOW)
        raise Stopped("stopped (deadline): all is saved; go on with: up")

    for name in ("a", "b", "c"):
        submit(database, planned(name), key=name)
    jobs.succeed(database, start(database, "a", worker(database)), Ending(states.SUCCEEDED, 0), NOW)
    monkeypatch.setattr("commands.run.run_home", session)
    assert cli.main(["--home", str(home.root), *command, "--cpus", "1", "--gpus", "none"]) == 4
    *_, told, last = capsys.readouterr().err.splitlines()
    assert told == f"b: succeeded; its report: {typed('report 2', home)}"
    assert last == "error: stopped (deadline): all is saved; go on with: up"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_submission_ends_with_the_report_of_whatever_else_it_finished(
    as_json: bool,
    home: Home,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its own comes last, and is all of standard output where that is JSON."""

    def session(*_: object, **__: object) -> None:
        jobs.succeed(database, start(database, "a", worker(database)), Ending(states.SUCCEEDED, 0), NOW)

    def write_report(_home: object, _database: object, ids: tuple[int, ...]) -> Written:
        return Written(None, None, Path(f"report-{ids[0]}"))  # type: ignore[arg-type]

    submit(database, planned("a"), key="other")
    monkeypatch.setattr("commands.run.run_home", session)
    monkeypatch.setattr("commands.show.write_report", write_report)
    monkeypatch.setattr("commands.show.print_report", lambda written, as_json: print(written.folder))
    words = ["--home", str(home.root), "submit-ablation", "--preset", "smoke", "--gpus", "none"]
    assert cli.main([*words, *["--json"] * as_json]) == 1, "nobody was there to do it"
    out, err = capsys.readouterr()
    assert out.splitlines() == (["report-2"] if as_json else ["report-1", "report-2"])
    assert "other: writing the report ..." in err
    assert ("other: its report: report-1/report.html" in err) is as_json


def test_gpus_that_are_named_and_not_there_are_told_also_where_nothing_is_left(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def need_gpus(devices: object) -> None:
        raise EnvironmentLacks("GPU 7 is asked for")

    monkeypatch.setattr("commands.gpus.need_gpus", need_gpus)
    monkeypatch.setattr("commands.gpus.given_gpus", lambda: Given((), ()))
    words = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus"]
    assert cli.main([*words, "7"]) == 3
    assert "GPU 7 is asked for" in capsys.readouterr().err
    assert cli.main([*words, "none"]) == 0


def test_an_address_for_ranks_that_is_not_this_machines_is_told_before_anything_starts(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "192.0.2.1")
    assert cli.main(["--home", str(home.root), "up", "--until-done", "--gpus", "none"]) == 2
    assert "BATON_GANG_ADDRESS is 192.0.2.1, and no network interface" in capsys.readouterr().err
