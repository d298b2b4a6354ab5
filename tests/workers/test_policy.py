"""What to do with an attempt that ended."""

from __future__ import annotations

import pytest

from errors import DatasetError, TrainingDiverged
from settings.queue import QueueSettings
from workers import policy
from workers.policy import AfterFailure, after_failure

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
    assert policy.out_of_memory(error)
    assert after_failure(error, 2, 0, SETTINGS) == AfterFailure(False, 2)
    assert after_failure(error, 0, 1, SETTINGS).final


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("slice", "yielded"), ("preempted", "preempted"), ("deadline", "preempted"), ("cancelled", "cancelled")],
)
def test_why_it_stopped_is_how_it_ended(reason: str, outcome: str) -> None:
    assert policy.outcome_of_stop(reason) == outcome


def test_ends() -> None:
    assert policy.slice_end(100.0, 5.0) == 105.0
    assert policy.slice_end(100.0, None) is None
    assert policy.latest_end(1000.0, 30.0) == 970.0
    assert policy.latest_end(None, 30.0) is None
