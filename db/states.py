"""The job state machine: the one table of legal moves, and the words for how attempts end."""

from __future__ import annotations

from collections.abc import Iterable

BLOCKED = "blocked"
READY = "ready"
QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"

STATES = (BLOCKED, READY, QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED)
FINAL = (SUCCEEDED, FAILED, CANCELLED)

#: What people ask of an ablation, a run or a job, beside `CANCELLED`.
ACTIVE, PAUSED = "active", "paused"

#: (state, held, how many jobs).
Counted = tuple[str, bool, int]

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


class Counts:
    """How many jobs are in each state, and the state of the whole that follows from it."""

    def __init__(self, total: int, counted: Iterable[Counted]) -> None:
        """counted: of the jobs that have not succeeded; `total` is of all."""
        self.by_state = dict.fromkeys(STATES, 0)
        self._held_back = 0
        self._moving = 0
        for state, held, count in counted:
            self.by_state[state] += count
            self._moving += count * (state == RUNNING or (state in (READY, QUEUED) and not held))
            self._held_back += count * (held and state in (BLOCKED, READY, QUEUED))
        self.by_state[SUCCEEDED] = total - sum(self.by_state.values())

    def state(self, intent: str, is_open: bool = False) -> str:
        """failed or cancelled once something has and nothing else can move; succeeded when all has, and nothing more of
        it will be planned (`is_open`)."""
        counts = self.by_state
        if counts[SUCCEEDED] == sum(counts.values()) and counts[SUCCEEDED] and not is_open:
            return SUCCEEDED
        if intent != ACTIVE:
            return intent
        if self._moving:
            return "running"
        if self._held_back:
            return PAUSED
        if counts[FAILED]:
            return FAILED
        return CANCELLED if counts[CANCELLED] else "running"
