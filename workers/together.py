"""Several jobs in one message, where they are so short that asking the broker for each takes longer than they do."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from db.jobs.bells import Rung
from errors import BatonError
from workers.app import AttemptFailed

logger = logging.getLogger("baton.worker")

#: What the jobs of one message may take, should each take as long as others of its kind of late.
TOGETHER_SECONDS = 0.25
#: Jobs in a message, however short they are: a worker that dies leaves as many to be rung again.
MOST_TOGETHER = 64
#: Jobs of a kind that nobody has measured, for each worker at a time: those that take longer than a tick by as many
#: keep it busy until more are rung.
UNMEASURED = 8


def together(rows: Sequence[Rung], seconds: Mapping[str, float], workers: int) -> list[Sequence[Rung]]:
    """`rows` in their order, cut into messages of one kind each.

    seconds: that jobs of a kind took of late, on average; what is not known, or is for one worker, comes alone.
    workers: that live. Each can have two messages, so that none is idle while another has many jobs before it.
    """
    share = -(-len(rows) // (2 * max(1, workers)))
    cut: list[Sequence[Rung]] = []
    for (kind, own), same in groupby(rows, lambda row: (row.kind, row.preferred_worker_id)):
        several = list(same)
        size = 1 if own is not None else min(share, _most(seconds.get(kind)))
        cut += [several[first : first + size] for first in range(0, len(several), size)]
    return cut


def begun_with(rows: Sequence[Rung], seconds: Mapping[str, float], workers: int) -> list[Rung]:
    """`rows` but for most of a kind that none of late was of: when its first have ended, the others can come together.

    seconds, workers: as for `together`.
    """
    left = Counter[str]()
    found = []
    for row in rows:
        left[row.kind] += row.kind not in seconds
        if left[row.kind] <= UNMEASURED * max(1, workers):
            found.append(row)
    return found


def run_together(
    left: list[int],
    run: Callable[[int], str],
    must_stop: Callable[[], bool],
    unring: Callable[[Sequence[int]], object],
) -> str:
    """What one message asks for, one job after the other. Returns how the first ended, which is what Celery tells.

    left: ids of the jobs; what has begun is taken out of it. What is not begun, as this worker must stop or what was
    raised is no failure of a job, can be rung again at once. Raises AttemptFailed for the first job, once the others
    have ended, and whatever else `run` raises.
    """
    ended: list[str | AttemptFailed] = []
    try:
        while left and not must_stop():
            try:
                ended.append(run(left.pop(0)))
            except AttemptFailed as error:
                ended.append(error)
    finally:
        try:
            unring(left)
        except BatonError as error:  # the state takes nothing now: their bells are found unanswered
            logger.warning("%d jobs that were not begun wait to be rung again: %s", len(left), error)
    first = ended[0] if ended else "worker is stopping"
    if isinstance(first, AttemptFailed):
        raise first
    return first


def _most(seconds: float | None) -> int:
    if seconds is None:
        return 1
    return max(1, int(TOGETHER_SECONDS / max(seconds, TOGETHER_SECONDS / MOST_TOGETHER)))
