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
    begun: bool,
    starting: bool,
) -> str:
    """`state` itself unless that is `running`, which only says that there is work left: `running` where a worker that
    is there does some of it.

    jobs: how many are in each state. holders: ids of the workers that its running jobs are given to; there: of all that
    are there. begun: whether some of it was done before. starting: whether a session is about to start workers.
    """
    if state != "running":
        return state
    if any(holder in there for holder in holders):
        return state
    if not there:
        if starting:
            return STARTING
        return INTERRUPTED if begun or holders else WAITING
    if holders:
        return INTERRUPTED
    is_blocked = jobs.get(BLOCKED) and not (jobs.get(READY) or jobs.get(QUEUED))
    return WAITING_FOR_JOBS if is_blocked else WAITING


def those_there(ages: Mapping[int, float | None], lease_seconds: float) -> set[int]:
    """Of workers by id, with the seconds since each was heard (None where nobody knows): all but those that were silent
    for so long that their jobs go to others."""
    return {number for number, age in ages.items() if age is None or age <= lease_seconds}
