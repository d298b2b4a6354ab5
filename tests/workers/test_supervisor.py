"""A session's processes: started, started again when they die, gone at the end."""

from __future__ import annotations

import errno
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.checks.session import findings
from db import jobs, members
from db.engine import Database
from db.states import FAILED, LOST, QUEUED, READY, RUNNING, SUCCEEDED
from settings.home import Home
from settings.queue import queue_settings
from tests.processes import CLI_WITH_BODIES, QUICK, of_home, one_of_home
from tests.support import REPOSITORY, attempts, await_value, planned, row, states, submit
from views.status import status_document
from workers import broker_watch, supervisor
from workers.broker import connect
from workers.child import Child
from workers.supervisor import Devices, Supervisor
from workers.troubles import troubles_of


@pytest.fixture
def session(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Supervisor]:
    """Broker, scheduler and one worker that knows the bodies of `tests.bodies`; nothing is left of them.

    A test may give more settings.
    """
    for name, value in {**QUICK, **getattr(request, "param", {})}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(supervisor, "CLI", CLI_WITH_BODIES)
    session_id = members.open_session(database, "test", None, time.time())
    with Supervisor(home, database, queue_settings(), Devices([], 1), None, session_id) as running:
        yield running
        running.kill()
    assert of_home(home) == []


def test_a_worker_is_pinned_to_its_gpus(home: Home, database: Database) -> None:
    """The variables its process really has, on any machine: nothing here imports torch."""
    session_id = members.open_session(database, "test", None, time.time())
    devices = Devices([(0, 1), (3,)], 1, {3: "GPU-dddd"})
    with Supervisor(home, database, queue_settings(), devices, None, session_id) as running:
        pinned = {}
        for process in of_home(home):
            words = process.cmdline()
            if "worker" in words and "--name" in words:
                seen = process.environ()
                pinned[words[words.index("--name") + 1]] = seen["CUDA_VISIBLE_DEVICES"], seen["BATON_DEVICE"]
        running.kill()
    assert pinned == {
        "worker-gpu0-1": ("0,1", "cuda:0+1"),
        "worker-gpu3": ("GPU-dddd", "cuda:3"),
        "worker-cpu0": ("", "cpu"),
    }


@pytest.mark.parametrize(("broker_url", "state"), [(None, READY), ("redis://127.0.0.1:9/0", QUEUED)])
def test_bells_that_died_with_a_broker_of_ours_are_not_waited_for(
    broker_url: str | None, state: str, home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `kill -9` of a whole session. A broker that was named may still hold them."""

    def idle(*_: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "600"], start_new_session=True)

    monkeypatch.setattr(Supervisor, "_spawn", idle)
    submit(database, planned("rung"), planned("rung too", resource="accelerator"))
    for resource in ("cpu", "accelerator"):
        assert len(jobs.ring(database, resource, 1, time.time())) == 1
    session = Supervisor(home, database, queue_settings(), Devices([], 0), broker_url, 1)
    with session:
        assert states(database) == {"rung": state, "rung too": state}
        session.kill()


#: Of a supervisor until a child that could not be started three times runs: each time it sees that there is none, and
#: starts one.
MOST_CHECKS = 8


def test_a_machine_that_cannot_start_a_process_now_is_asked_again(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RESTART_SECONDS", 0.0)
    dead = subprocess.Popen(["true"])
    dead.wait()
    refused = [OSError(number, "no more") for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE)]

    def start() -> subprocess.Popen[bytes]:
        if refused:
            raise refused.pop()
        return dead

    session = Supervisor(home, database, queue_settings(), Devices([], 0), None, 1)
    child = Child("worker-cpu0", start, dead, wait_seconds=0.0)
    session._children.append(child)
    asked = 0
    while child.restarts == 0:
        session.check()
        asked += 1
        assert asked <= MOST_CHECKS
    assert not refused and child.restarts == 1
    child.start = lambda: (_ for _ in ()).throw(FileNotFoundError("python"))
    with pytest.raises(FileNotFoundError):
        for _ in range(MOST_CHECKS):
            session.check()


def until(session: Supervisor, database: Database, label: str, state: str) -> None:
    def look() -> str:
        session.check()
        return str(row(database, label).state)

    await_value(look, lambda seen: seen == state, f"{label} {state}")


def test_jobs_run_to_their_end_whatever_dies(
    session: Supervisor, database: Database, home: Home, tmp_path: Path
) -> None:
    """One session: a job that kills its worker each time, then the broker's death, then a job told to stop."""
    logs = {label: tmp_path / label for label in ("poison", "count", "after")}
    submit(
        database,
        planned("poison", kind="die", spec={"log": str(logs["poison"])}),
        planned(
            "count", ["first"], kind="count", spec={"target": 5, "log": str(logs["count"])}, target_steps=5
        ),
        planned("first", kind="count", spec={"target": 1, "log": str(tmp_path / "first")}),
        planned("beside", ["poison"]),
    )
    until(session, database, "poison", FAILED)
    until(session, database, "count", SUCCEEDED)
    assert "took its worker with it 3 times" in row(database, "poison").error
    assert logs["poison"].read_text().split() == ["died"] * 3
    assert [a.outcome for a in attempts(database, "poison")] == [LOST] * 3
    assert len({a.worker_id for a in attempts(database, "poison")}) == 3
    assert 2 <= session.restarts["worker-cpu0"] <= 3, "once for each death, and for nothing else"
    assert logs["count"].read_text().split() == ["0", "1", "2", "3", "4"]
    assert states(database)["beside"] == "blocked"

    redis = one_of_home(home, "redis")
    redis.send_signal(signal.SIGKILL)
    redis.wait()
    submit(
        database, planned("after", kind="count", spec={"target": 2, "log": str(logs["after"])}), key="later"
    )
    until(session, database, "after", SUCCEEDED)
    assert session.restarts["redis"] == 1 and session.restarts["worker-cpu0"] == 3
    assert logs["after"].read_text().split() == ["0", "1"]

    submit(database, planned("endless", kind="wait"), key="last")
    until(session, database, "endless", RUNNING)
    session.stop()
    assert row(database, "endless").state in (READY, QUEUED), "given back, and perhaps rung again"
    assert [a.outcome for a in attempts(database, "endless")] == ["preempted"]
    assert of_home(home) == []


@pytest.mark.parametrize("session", [{"BATON_QUEUE_LEASE_SECONDS": "8"}], indirect=True, ids=["short lease"])
def test_a_frozen_worker_is_replaced_and_its_job_goes_on(
    session: Supervisor, database: Database, home: Home
) -> None:
    """SIGSTOP stands for a deadlock that holds the interpreter: the process lives and says nothing."""
    submit(database, planned("a", kind="wait"))
    until(session, database, "a", RUNNING)
    frozen = one_of_home(home, "worker")
    frozen.suspend()

    def look() -> int:
        session.check()
        return len(attempts(database, "a"))

    await_value(look, lambda count: count == 2, "a second attempt")
    first, second = attempts(database, "a")
    assert (first.outcome, second.outcome) == (LOST, None)
    assert "silent" in first.reason or "process is gone" in first.reason
    with database.write() as tx:
        tx.execute(jobs.job.update().values(cancel_requested=True))
    until(session, database, "a", "cancelled")
    assert not frozen.is_running()


def test_workers_that_die_again_and_again_and_a_deaf_broker_are_told(
    home: Home, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "cli.py"
    script.write_text(
        "import sys\nif 'worker' in sys.argv: sys.exit('no such luck')\nimport time\ntime.sleep(600)\n"
    )
    monkeypatch.setattr(supervisor, "CLI", script)
    monkeypatch.setattr(supervisor, "_CARE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "_RESTART_LIMIT_SECONDS", 0.01)
    monkeypatch.setattr(broker_watch, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(broker_watch, "_ASK_SECONDS", 0.02)
    session_id = members.open_session(database, "test", None, time.time())
    seen: list[str] = []
    with Supervisor(
        home, database, queue_settings(), Devices([], 1), None, session_id, seen=lambda: seen
    ) as running:

        def told() -> str:
            running.check()
            return " ".join(status_document(home, database)["troubles"])

        await_value(told, lambda said: "no such luck (see" in said, "a dying worker")
        seen.append("the notice address cannot warn")
        assert "the notice address cannot warn" in told(), "at once"
        assert [f.detail for f in findings(home)] == running.troubles
        (home.run / "redis.sock").unlink()
        await_value(told, lambda said: "the broker does not answer" in said, "the broker's silence")
        await_value(told, lambda said: "the broker does not answer" not in said, "another broker")
        assert running.restarts["redis"] >= 1
        with connect(running.broker_url) as client:
            assert client.ping()
        running.kill()
    assert troubles_of(home) == []
