"""What to do with an attempt that ended."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from db.timings import Timing
from errors import DatasetError, DiskFull, StateLost, StoreUnreachable, TrainingDiverged
from settings.queue import QueueSettings
from settings.regular import text_of
from tests.toy_kinds import ToySpec
from workers import deadlines, retries
from workers.retries import AfterFailure, after_failure

SETTINGS = QueueSettings(max_failures=3, max_losses=2, retry_seconds=2)


class OutOfMemoryError(RuntimeError):
    """As torch names the device's."""


def test_failures_wait_twice_as_long_each_time_and_end() -> None:
    waits = [after_failure(TrainingDiverged("nan"), failures, 0, SETTINGS) for failures in range(3)]
    assert waits == [AfterFailure(False, 2), AfterFailure(False, 4), AfterFailure(True, 8)]


def test_bad_input_is_not_tried_again() -> None:
    assert after_failure(DatasetError("gap"), 0, 0, SETTINGS).final


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("CUDA out of memory")])
def test_running_out_of_memory_has_a_ledger_of_its_own(error: Exception) -> None:
    assert retries.out_of_memory(error)
    assert after_failure(error, 2, 0, SETTINGS) == AfterFailure(False, 2)
    assert after_failure(error, 0, 1, SETTINGS).final


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("slice", "yielded"), ("preempted", "preempted"), ("deadline", "preempted"), ("cancelled", "cancelled")],
)
def test_why_it_stopped_is_how_it_ended(reason: str, outcome: str) -> None:
    assert retries.outcome_of_stop(reason) == outcome


def test_slices_end() -> None:
    assert deadlines.slice_end(100.0, 5.0) == 105.0
    assert deadlines.slice_end(100.0, None) is None


@pytest.mark.parametrize(
    ("spec", "timing", "before_deadline"),
    [
        ({"slice_seconds": 600}, None, SETTINGS.deadline_margin_seconds),
        ({"slice_seconds": 600}, Timing(load=50, step=2, save=10, whole=900), 1 + 1.5 * 10 + 2),
        ({"slice_seconds": 600, "simulators": 8}, Timing(load=5, step=2, save=0, whole=900), 1 + 8 * 2),
        ({}, Timing(load=0, step=0, save=0, whole=40), 1),
    ],
    ids=["unmeasured", "training", "evaluation", "in one piece"],
)
def test_work_stops_in_time_for_its_own_checkpoint(
    spec: dict[str, object], timing: Timing | None, before_deadline: float
) -> None:
    end = deadlines.latest_end(1000.0, 5000.0, ToySpec(spec), timing, SETTINGS)
    assert end == 5000.0 - SETTINGS.hand_over_seconds - before_deadline


@pytest.mark.parametrize(
    ("spec", "timing", "needs"),
    [
        ({"slice_seconds": 600}, Timing(load=50, step=2, save=10, whole=900), 50 + 2 + 1 + 15 + 2),
        ({}, Timing(load=0, step=0, save=0, whole=40), 40 + 1),
    ],
    ids=["load, a step and a checkpoint", "all of it"],
)
def test_work_that_cannot_progress_does_not_start(
    spec: dict[str, object], timing: Timing, needs: float
) -> None:
    deadline = 1000.0 + SETTINGS.hand_over_seconds + needs
    assert deadlines.latest_end(1000.0, deadline + 0.1, ToySpec(spec), timing, SETTINGS) is not None
    assert deadlines.latest_end(1000.0, deadline - 0.1, ToySpec(spec), timing, SETTINGS) is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        DiskFull("the disk that holds the state is full"),
        StateLost("the state's database went away"),
        StoreUnreachable("the store does not work"),
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.OperationalError("database is locked"),
    ],
)
def test_a_full_disk_is_told_from_a_fault_of_the_job(error: Exception) -> None:
    assert retries.machine_fault(error)
    assert not retries.machine_fault(OSError(errno.ENOENT, "No such file"))
    assert not retries.machine_fault(ValueError("full"))


SHORT = [
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "processes or threads"),
    (OSError(errno.EMFILE, "Too many open files"), "open files"),
    (OSError(errno.ENFILE, "Too many open files in system"), "open files"),
    (OSError("Too many open files (os error 24)"), "open files"),  # as safetensors says it, without a number
    (RuntimeError("unable to open shared memory object </torch_1>: Too many open files (24)"), "open files"),
    (RuntimeError("can't start new thread"), "processes or threads"),
    (sqlite3.OperationalError("unable to open database file"), "open files"),
]


@pytest.mark.parametrize(("error", "what"), SHORT, ids=[str(error) for error, _ in SHORT])
def test_a_machine_that_is_short_of_something_is_told_from_a_fault_of_the_job(
    error: Exception, what: str
) -> None:
    assert retries.machine_fault(error)
    assert str(retries.shortage(error)).startswith(what)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOSPC])
def test_a_reader_that_says_its_file_is_bad_is_not_believed_where_the_machine_failed(number: int) -> None:
    try:
        try:
            raise OSError(number, "whatever")
        except OSError as error:
            raise DatasetError(f"frame 7 cannot be read: {error}") from None
    except DatasetError as error:
        assert retries.machine_fault(error)
    try:
        try:
            raise FileNotFoundError(errno.ENOENT, "No such file")
        except OSError as error:
            raise DatasetError("frame 7 is missing") from error
    except DatasetError as error:
        assert not retries.machine_fault(error)


def test_a_file_that_is_too_large_to_be_read_is_a_fault_of_the_file(tmp_path: Path) -> None:
    """A limit on the size of files that this process may write is another thing, and the machine's."""
    (file := tmp_path / "some").write_bytes(bytes(11))
    with pytest.raises(DatasetError) as refused:
        text_of(file, DatasetError, 10)
    assert not retries.machine_fault(refused.value)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory. (Cannot allocate memory)")],
)
def test_what_a_job_allocates_itself_stays_in_its_own_ledger(error: Exception) -> None:
    assert retries.out_of_memory(error) and not retries.machine_fault(error)


def test_torchs_own_allocators_errors_count_as_out_of_memory() -> None:
    assert retries.out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not retries.out_of_memory(RuntimeError("shapes do not match"))
