"""What to do with an attempt that ended: pure functions of what is known."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from db import states
from errors import (
    DiskFull,
    HubUnreachable,
    InvalidInput,
    NodeUnreachable,
    RanksLost,
    StateBusy,
    StateLost,
    StoreUnreachable,
)
from settings.faults import FULL, SHORTAGES, UNREADABLE, is_unreadable
from settings.queue import QueueSettings

#: Stop reasons for which the machine, not the plan, is the cause.
PREEMPTIONS = frozenset({"preempted", "deadline"})

_MACHINE_ERRNOS = UNREADABLE | FULL | {errno.EROFS, errno.EFBIG}

#: The same in the words of libraries that name no number, and what the state says when its disk fails, or when
#: another writer holds it for too long (SQLite, PostgreSQL).
_MACHINE_WORDS = (
    "disk I/O error",
    "database is locked",
    "due to lock timeout",
    "No space left on device",
    os.strerror(errno.EIO),
)
_SHORTAGE_WORDS = {
    "Too many open files": "open files",
    "unable to open database file": "open files or rights",
    "can't start new thread": "processes or threads",
    "Resource temporarily unavailable": "processes or threads",
    "Cannot allocate memory": "memory",
}


@dataclass(frozen=True)
class AfterFailure:
    """`final`: the job fails for good; otherwise it is tried again after `wait_seconds`."""

    final: bool
    wait_seconds: float


def after_failure(
    error: BaseException, failures_before: int, losses_before: int, settings: QueueSettings
) -> AfterFailure:
    """Bad input stays bad: it is not tried again. Everything else waits twice as long each time.

    Running out of memory, and the loss of a rank, are the machine's fault as much as the job's: they are bounded like
    the loss of a worker, and spend none of the tries that failures have.
    """
    if out_of_memory(error) or isinstance(error, RanksLost):
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
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # torch's CPU allocator


def machine_fault(error: BaseException) -> bool:
    """True when the machine failed and not the job: a full or failing disk, however it shows, a server, or a machine
    that is short of something (`shortage`)."""
    if out_of_memory(error) or isinstance(error, RanksLost):
        return False
    return shortage(error) is not None or any(_failed_machine(cause) for cause in _causes(error))


def unreadable(error: BaseException) -> bool:
    """True when the disk did not give something back, or did not take it."""
    return any(is_unreadable(cause) or os.strerror(errno.EIO) in str(cause) for cause in _causes(error))


def shortage(error: BaseException) -> str | None:
    """What the machine has too little of, where that is why: memory, processes or threads, open files."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            found = SHORTAGES.get(cause.errno)
        else:
            found = next((what for words, what in _SHORTAGE_WORDS.items() if words in str(cause)), None)
        if found is not None:
            return found
    return None


def _failed_machine(error: BaseException) -> bool:
    if isinstance(error, (DiskFull, HubUnreachable, NodeUnreachable, StateBusy, StateLost, StoreUnreachable)):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _MACHINE_ERRNOS
    return any(words in str(error) for words in _MACHINE_WORDS)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for, `from None` or not: a reader of files says that its file is bad."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
