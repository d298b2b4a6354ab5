"""running -> succeeded: what a job leaves, whom it makes ready, and the next job of the same worker."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from db import direct
from db.engine import Database
from db.jobs.attempts import claim_in
from db.jobs.endings import note_ended
from db.jobs.facts import close_attempt, lease_lost, record, token
from db.statements import COUNT_DOWN, SUCCEED, UNBLOCK
from db.values import Bid, Claim, Ending

#: What else is written in a transaction.
Also = Callable[[Connection], None]


def succeed(db: Database, held: Claim, ending: Ending, now: float, also: Also | None = None) -> int:
    """running -> succeeded, with its artifacts and the dependents this makes ready, in one transaction.

    Returns how many jobs became ready. Raises LeaseLost.
    """
    with db.write() as tx:
        return _succeed(tx, held, ending, now, also)


def succeed_and_claim(
    db: Database, held: Claim, ending: Ending, now: float, bid: Bid, also: Also | None = None
) -> tuple[int, Claim | None]:
    """As `succeed`, and as `db.jobs.claim` for another job, in one transaction: where that job cannot be claimed the
    first has succeeded all the same. Raises LeaseLost, and then nothing is claimed."""
    with db.write() as tx:
        released = _succeed(tx, held, ending, now, also)
        return released, claim_in(tx, bid.job_id, held.worker_id, bid.lease_seconds, now, bid.versions)


def _succeed(tx: Connection, held: Claim, ending: Ending, now: float, also: Also | None) -> int:
    told = {
        **token(held),
        "b_step": ending.step,
        "b_result": dict(ending.result) if ending.result is not None else None,
        "b_now": now,
    }
    if direct.changed(tx, SUCCEED, told) != 1:
        raise lease_lost(held)
    record(tx, held, ending.step, ending.artifacts, ending.metrics, now)
    close_attempt(tx, held, ending, now)
    released = _release_dependents(tx, held.job_id)
    if also is not None:
        also(tx)
    if not released:
        note_ended(tx, [held.job_id], now)
    return released


def _release_dependents(tx: Connection, job_id: int) -> int:
    if direct.changed(tx, COUNT_DOWN, {"b_id": job_id}) == 0:
        return 0
    return direct.changed(tx, UNBLOCK, {"b_id": job_id})
