"""Several short jobs in one message: how they are cut, run, broken off, and what a death among them costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from db import jobs
from db.engine import Database
from db.identity import namespace
from db.jobs.bells import Rung
from db.states import LOST, QUEUED, READY, RUNNING, SUCCEEDED
from errors import BatonError, StateBusy, StateDamaged
from settings.home import Home
from tests.processes import CLI_WITH_BODIES, QUICK, running
from tests.support import NOW, attempts, await_value, planned, row, states, submit
from workers.app import AttemptFailed, make_app, resource_queue, ring_bell
from workers.together import (
    MOST_TOGETHER,
    TOGETHER_SECONDS,
    UNMEASURED,
    begun_with,
    run_together,
    together,
)


def rung(count: int, kind: str = "ingest", own: int | None = None, first: int = 1) -> list[Rung]:
    return [Rung(number, kind, f"{kind} {number}", 0, 1, 0, own) for number in range(first, first + count)]


def sizes(cut: Sequence[Sequence[Rung]]) -> list[int]:
    return [len(several) for several in cut]


@pytest.mark.parametrize(
    ("rows", "seconds", "workers", "expected"),
    [
        (rung(3), {}, 1, [1, 1, 1]),
        (rung(3), {"gaze": 0.001}, 1, [1, 1, 1]),
        (rung(8), {"ingest": 0.001}, 1, [4, 4]),
        (rung(8), {"ingest": 0.001}, 2, [2, 2, 2, 2]),
        (rung(9), {"ingest": 0.001}, 2, [3, 3, 3]),
        (rung(8), {"ingest": 0.001}, 0, [4, 4]),
        (rung(8), {"ingest": TOGETHER_SECONDS / 2}, 1, [2, 2, 2, 2]),
        (rung(4), {"ingest": TOGETHER_SECONDS * 10}, 1, [1, 1, 1, 1]),
        (rung(3 * MOST_TOGETHER), {"ingest": 0.0}, 1, [MOST_TOGETHER] * 3),
        (rung(4, own=7), {"ingest": 0.001}, 1, [1, 1, 1, 1]),
        (rung(4) + rung(4, "gaze", first=5), {"ingest": 0.001, "gaze": 0.001}, 1, [4, 4]),
        (rung(1) + rung(1, "gaze", first=2) + rung(2, first=3), {"ingest": 0.001}, 1, [1, 1, 2]),
        ([], {"ingest": 0.001}, 1, []),
    ],
    ids=[
        "not known", "another kind is known", "two messages for the worker", "for each worker", "rounded up",
        "no worker yet", "as long as they may take", "long ones", "a bound", "for one worker", "of one kind",
        "in their order", "none",
    ],
)  # fmt: skip
def test_what_comes_together(
    rows: list[Rung], seconds: dict[str, float], workers: int, expected: list[int]
) -> None:
    cut = together(rows, seconds, workers)
    assert [entry for several in cut for entry in several] == rows
    assert sizes(cut) == expected


@pytest.mark.parametrize(
    ("rows", "seconds", "workers", "expected"),
    [
        (rung(3 * UNMEASURED), {}, 1, UNMEASURED),
        (rung(3 * UNMEASURED), {}, 2, 2 * UNMEASURED),
        (rung(3 * UNMEASURED), {}, 0, UNMEASURED),
        (rung(3 * UNMEASURED), {"ingest": 100.0}, 1, 3 * UNMEASURED),
        (rung(3 * UNMEASURED) + rung(3 * UNMEASURED, "gaze"), {"ingest": 0.1}, 1, 4 * UNMEASURED),
        (rung(2), {}, 1, 2),
    ],
    ids=["a first few", "for each worker", "no worker yet", "all of what is known", "by kind", "few anyway"],
)
def test_of_a_kind_that_nobody_measured_a_few_begin(
    rows: list[Rung], seconds: dict[str, float], workers: int, expected: int
) -> None:
    begun = begun_with(rows, seconds, workers)
    assert len(begun) == expected and [row for row in rows if row in begun] == begun


class Batch:
    """Runs numbers; `failing` fail, `broken` is a bug, and after `last` the worker must stop."""

    def __init__(
        self, failing: Sequence[int] = (), broken: int | None = None, last: int | None = None
    ) -> None:
        self.failing, self.broken, self.last = failing, broken, last
        self.ran: list[int] = []
        self.unrung: list[int] = []

    def run(self, job_id: int) -> str:
        self.ran.append(job_id)
        if job_id == self.broken:
            raise ZeroDivisionError
        if job_id in self.failing:
            raise AttemptFailed(f"failed: {job_id}")
        return f"succeeded: {job_id}"

    def go(self, *job_ids: int) -> str:
        return run_together(list(job_ids), self.run, lambda: self.last in self.ran, self.unrung.extend)


def test_all_run_in_their_order_and_the_first_is_told() -> None:
    batch = Batch()
    assert batch.go(3, 1, 2) == "succeeded: 3"
    assert (batch.ran, batch.unrung) == ([3, 1, 2], [])


@pytest.mark.parametrize("failing", [(1,), (1, 2)])
def test_a_first_one_that_fails_is_a_failed_task_and_the_others_run(failing: Sequence[int]) -> None:
    batch = Batch(failing)
    with pytest.raises(AttemptFailed, match=r"^failed: 1$"):
        batch.go(1, 2, 3)
    assert (batch.ran, batch.unrung) == ([1, 2, 3], [])


def test_a_later_one_that_fails_is_no_failure_of_the_first() -> None:
    batch = Batch([2])
    assert batch.go(1, 2, 3) == "succeeded: 1"
    assert batch.ran == [1, 2, 3]


def test_what_a_worker_that_must_stop_did_not_begin_is_rung_again() -> None:
    batch = Batch(last=2)
    assert batch.go(1, 2, 3, 4) == "succeeded: 1"
    assert (batch.ran, batch.unrung) == ([1, 2], [3, 4])
    assert batch.go(5, 6) == "worker is stopping"
    assert (batch.ran, batch.unrung) == ([1, 2], [3, 4, 5, 6])


def test_a_bug_ends_the_message_and_the_rest_is_rung_again() -> None:
    batch = Batch(broken=2)
    with pytest.raises(ZeroDivisionError):
        batch.go(1, 2, 3, 4)
    assert (batch.ran, batch.unrung) == ([1, 2], [3, 4])


@pytest.mark.parametrize("error", [StateBusy("another writes"), StateDamaged("damaged")])
def test_a_state_that_takes_nothing_hides_not_how_the_first_ended(
    error: BatonError, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_job_ids: Sequence[int]) -> None:
        raise error

    batch = Batch(failing=[1], last=1)
    with pytest.raises(AttemptFailed, match=r"^failed: 1$"):
        run_together([1, 2, 3], batch.run, lambda: 1 in batch.ran, refuse)
    assert "2 jobs that were not begun wait to be rung again" in caplog.text


def test_one_message_names_them_all_and_flower_how_many(redis_url: str, database: Database) -> None:
    submit(database, *(planned(f"job {number}") for number in range(3)))
    rows = jobs.ring(database, "cpu", 10, NOW)
    app = make_app(redis_url, namespace=namespace(database))
    ring_bell(app, rows, resource_queue("cpu"))
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue(resource_queue("cpu"))
        message = queue.get(timeout=10)
        assert message.payload[0] == [entry.id for entry in rows]
        assert message.headers["argsrepr"] == "(job 0) and 2 more"
        assert message.headers["id"] == f"job-{rows[0].id}-attempt-1"
        queue.close()


def _ring(database: Database, redis_url: str) -> None:
    """All that is ready, in one message."""
    app = make_app(redis_url, namespace=namespace(database))
    ring_bell(app, jobs.ring(database, "cpu", 100, NOW), resource_queue("cpu"))


def _work(home: Home, redis_url: str, name: str) -> list[str]:
    return ["--home", str(home.root), "worker", "--name", name, "--broker", redis_url]


def _counted(database: Database, folder: Path, middle: str, **spec: object) -> list[str]:
    """Six jobs that count to 1, with one of another kind as the fourth."""
    labels = [f"count {number}" for number in range(6)]
    jobs_ = [planned(label, kind="count", spec={"target": 1, "log": str(folder / label)}) for label in labels]
    submit(database, *jobs_[:3], planned("middle", kind=middle, spec={"log": str(folder / "middle"), **spec}),
           *jobs_[3:])  # fmt: skip
    return labels


def test_a_worker_that_dies_among_them_loses_one_attempt_and_the_others_are_rung_again(
    home: Home, database: Database, redis_url: str, tmp_path: Path
) -> None:
    labels = _counted(database, tmp_path, "die", times=1)
    _ring(database, redis_url)
    with running(_work(home, redis_url, "mortal"), tmp_path / "log", CLI_WITH_BODIES, **QUICK) as process:
        await_value(process.is_running, lambda lives: not lives or process.status() == "zombie", "it dies")
    assert states(database) == {
        **dict.fromkeys(labels[:3], SUCCEEDED), "middle": RUNNING, **dict.fromkeys(labels[3:], QUEUED)
    }  # fmt: skip
    assert [len(attempts(database, label)) for label in labels] == [1, 1, 1, 0, 0, 0]

    with running(["--home", str(home.root), "scheduler", "--broker", redis_url], tmp_path / "scheduler",
                 CLI_WITH_BODIES, **QUICK), running(_work(home, redis_url, "next"), tmp_path / "log",
                 CLI_WITH_BODIES, **QUICK):  # fmt: skip
        await_value(lambda: set(states(database).values()), lambda all_: all_ == {SUCCEEDED}, "all is done")
    assert [[entry.outcome for entry in attempts(database, label)] for label in labels] == [[SUCCEEDED]] * 6
    assert [(tmp_path / label).read_text() for label in labels] == ["0\n"] * 6
    assert [entry.outcome for entry in attempts(database, "middle")] == [LOST, SUCCEEDED]


def test_a_worker_that_is_told_to_stop_among_them_leaves_the_others_ready(
    home: Home, database: Database, redis_url: str, tmp_path: Path
) -> None:
    labels = _counted(database, tmp_path, "wait")
    _ring(database, redis_url)
    with running(_work(home, redis_url, "polite"), tmp_path / "log", CLI_WITH_BODIES, **QUICK) as process:
        await_value(lambda: row(database, "middle").state, lambda state: state == RUNNING, "it waits")
        process.terminate()
        process.wait(60)
    assert states(database) == {
        **dict.fromkeys(labels[:3], SUCCEEDED), "middle": READY, **dict.fromkeys(labels[3:], READY)
    }  # fmt: skip
    assert row(database, "middle").losses == 0
