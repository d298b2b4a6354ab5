"""What is true of work that is neither over nor paused: whether anybody does it, and what it waits for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from db.states import BLOCKED, QUEUED, READY

STARTING = "starting"
INTERRUPTED = "interrupted"
WAITING = "waiting for a worker"
WAITING_FOR_JOBS = "waiting for earlier jobs"


def doing(
    state: str,
    jobs: Mapping[str, int],
    holders: Collection[int | None],
    there: Collection[int],
    *,
    starting: bool,
) -> str:
    """`state` itself unless that is `running`, which only says that there is work left: `running` where a worker that
    is there does some of it.

    jobs: how many are in each state. holders: ids of the workers that its running jobs are given to; there: of all that
    are there. starting: whether a session is about to start workers. What stopped with its steps saved, or has not
    begun, waits: only a job whose worker is gone was interrupted.
    """
    if state != "running":
        return state
    if any(holder in there for holder in holders):
        return state
    if starting and not there:
        return STARTING
    if holders:
        return INTERRUPTED
    is_blocked = jobs.get(BLOCKED) and not (jobs.get(READY) or jobs.get(QUEUED))
    return WAITING_FOR_JOBS if there and is_blocked else WAITING


def those_there(ages: Mapping[int, float | None], lease_seconds: float) -> set[int]:
    """Of workers by id, with the seconds since each was heard (None where nobody knows): all but those that were silent
    for so long that their jobs go to others."""
    return {number for number, age in ages.items() if age is None or age <= lease_seconds}
