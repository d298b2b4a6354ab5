"""What to do with an attempt that ended: pure functions of what is known."""

from __future__ import annotations

from dataclasses import dataclass

from db import states
from errors import InvalidInput
from settings.queue import QueueSettings

#: Stop reasons for which the machine, not the plan, is the cause.
PREEMPTIONS = frozenset({"preempted", "deadline"})


@dataclass(frozen=True)
class AfterFailure:
    """`final`: the job fails for good; otherwise it is tried again after `wait_seconds`."""

    final: bool
    wait_seconds: float


def after_failure(
    error: BaseException, failures_before: int, losses_before: int, settings: QueueSettings
) -> AfterFailure:
    """Bad input stays bad: it is not tried again. Everything else waits twice as long each time.

    Running out of memory is the machine's fault as much as the job's: it is bounded like the loss of a
    worker, and spends none of the tries that failures have.
    """
    if out_of_memory(error):
        before, final = losses_before, losses_before + 1 >= settings.max_losses
    else:
        before = failures_before
        final = isinstance(error, InvalidInput) or failures_before + 1 >= settings.max_failures
    return AfterFailure(final, settings.retry_seconds * 2**before)


def outcome_of_stop(reason: str) -> str:
    """How an attempt that stopped on request ends."""
    if reason == "cancelled":
        return states.CANCELLED
    return states.PREEMPTED if reason in PREEMPTIONS else states.YIELDED


def out_of_memory(error: BaseException) -> bool:
    """True for the host's and the device's memory errors (torch is not imported to tell)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def slice_end(now: float, slice_seconds: float | None) -> float | None:
    """When a slice that starts now is over, or None for no limit."""
    return None if slice_seconds is None else now + slice_seconds


def latest_end(deadline: float | None, margin_seconds: float) -> float | None:
    """When work must stop for a checkpoint to be put away before the session's deadline, or None."""
    return None if deadline is None else deadline - margin_seconds
