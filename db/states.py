"""The job state machine: the one table of legal moves, and the words for how attempts end."""

from __future__ import annotations

BLOCKED = "blocked"
READY = "ready"
QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"

STATES = (BLOCKED, READY, QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
FINAL = (SUCCEEDED, FAILED, CANCELLED)

#: move -> (states it may leave, states it may reach); `tests/db/test_state_machine.py` holds the statements to it.
MOVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unblock": ((BLOCKED,), (READY,)),
    "ring": ((READY,), (QUEUED,)),
    "unring": ((QUEUED,), (READY,)),
    "claim": ((QUEUED,), (RUNNING,)),
    "succeed": ((RUNNING,), (SUCCEEDED,)),
    "give_back": ((RUNNING,), (READY,)),
    "fail": ((RUNNING,), (FAILED,)),
    "cancel": ((BLOCKED, READY, QUEUED, RUNNING), (CANCELLED,)),
    "retry": ((FAILED, CANCELLED), (READY, BLOCKED)),
    "redo": ((SUCCEEDED,), (READY, FAILED)),
    "block": ((READY, QUEUED, RUNNING), (BLOCKED, READY)),
}

# How an attempt ends.
YIELDED = "yielded"
PREEMPTED = "preempted"
LOST = "lost"
OOM = "oom"

OUTCOMES = (SUCCEEDED, YIELDED, PREEMPTED, LOST, OOM, FAILED, CANCELLED)
