"""Does a bundle continue a home? Decided by facts, not by counters.

A digest of the facts (what was submitted, every attempt and how it ended, how far every job is) is taken of
whatever leaves in a bundle, and the digests travel with it as its history. A home whose facts are in that
history has done nothing since that the bundle does not contain: the bundle may take its place. A home with
other facts went on by itself, and taking its place would lose work.

To remove an ablation or an arm (`db.removal`) is no work: of a home that has done nothing else since, what still holds
the removed may take the place. The event of a removal says which facts it made of which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timezone

from db.bundle.manifest import Handed
from errors import BundleError
from settings.documents import parse_json
from settings.json_values import text, whole
from settings.shown import cut

#: Runs one SQL query: SQLAlchemy's `Connection.exec_driver_sql`, or a SQLite connection's `execute`.
Query = Callable[[str], Iterable[Sequence[object]]]

#: Waiting is waiting: bells, holds and counts of dependencies say nothing about work that was done. Columns are
#: named one by one, so that a home keeps its digest when a later version adds some.
_FACTS = (
    "SELECT key, intent FROM ablation ORDER BY id",
    "SELECT ablation_id, arm, seed, intent FROM run ORDER BY id",
    """
    SELECT key, CASE WHEN state IN ('blocked', 'ready', 'queued') THEN 'waiting' ELSE state END,
           intent, step, lease_token, failures, losses
    FROM job ORDER BY id
    """,
    "SELECT job_id, lease_token, started_at, ended_at, outcome, step_from, step_to FROM attempt ORDER BY id",
)

_HISTORY = "SELECT key, at, host, facts_left, facts_arrived, attempts FROM handover ORDER BY id"

#: As many as a state can hold (`db.bundle.columns`).
_MOST_ATTEMPTS = 2**31 - 1

#: Kinds of event that a removal leaves, whose data hold a `Removed`.
ABLATION_REMOVED, ARM_DROPPED = "ablation_removed", "arm_dropped"
_REMOVALS = (
    "SELECT data FROM event"
    f" WHERE kind IN ('{ABLATION_REMOVED}', '{ARM_DROPPED}') AND data IS NOT NULL ORDER BY id"
)


@dataclass(frozen=True)
class Removed:
    """What an event says of a removal: the facts before and after it, and how many attempts went."""

    facts_before: str
    facts_after: str
    attempts: int


def facts(query: Query) -> str:
    """Digest of what the home has done and was asked to do (hex, SHA-256)."""
    digest = hashlib.sha256()
    for statement in _FACTS:
        for row in query(statement):
            digest.update(repr(tuple(row)).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def history(query: Query) -> tuple[Handed, ...]:
    """The bundles that were made of the home or came into it, oldest first."""
    return tuple(
        Handed.model_validate(dict(zip(Handed.model_fields, row, strict=True))) for row in query(_HISTORY)
    )


def attempts(query: Query) -> int:
    """How many ever began, those of ablations that were removed too."""
    removed = sum(removal.attempts for removal in removals(query))
    return min(_MOST_ATTEMPTS, _count_of(query, "attempt") + removed)


def removals(query: Query) -> tuple[Removed, ...]:
    """Of a SQLite state, oldest first; nothing of an event whose data say something else."""
    found = (_removed(str(data)) for (data,) in query(_REMOVALS))
    return tuple(removed for removed in found if removed is not None)


def _removed(data: str) -> Removed | None:
    try:
        values = parse_json(data)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    before, after = text(values, "facts_before"), text(values, "facts_after")
    attempts = whole(values, "attempts")
    if before is None or after is None or attempts is None or attempts < 0:
        return None
    return Removed(before, after, attempts)


def before_removals(my_facts: str, removed: Sequence[Removed]) -> Set[str]:
    """The facts, and those from which removals alone led to them."""
    found = {my_facts}
    for removal in reversed(removed):
        if removal.facts_after in found:
            found.add(removal.facts_before)
    return found


def is_empty(query: Query) -> bool:
    """Nothing was ever submitted."""
    return _count_of(query, "job") == 0


def _count_of(query: Query, table: str) -> int:
    ((count,),) = query(f"SELECT count(*) FROM {table}")
    assert isinstance(count, int)
    return count


def already_holds(mine: Sequence[Handed], bundle: Sequence[Handed]) -> bool:
    """The home made this bundle or imported it; whatever happened since came on top of it."""
    return bundle[-1].key in {entry.key for entry in mine}


def check_continues(
    mine: Sequence[Handed], my_facts: Set[str], my_attempts: int, bundle: Sequence[Handed]
) -> None:
    """Raises BundleError, with what happened, unless one of the home's facts (`before_removals`) is part of the
    bundle's past."""
    if any(not my_facts.isdisjoint((entry.facts_left, entry.facts_arrived)) for entry in bundle):
        return
    keys = {entry.key for entry in bundle}
    common = next((entry for entry in reversed(mine) if entry.key in keys), None)
    if common is None:
        raise BundleError(
            "this home holds other work, which the bundle does not contain; "
            "import into a home of its own (--home DIR)"
        )
    here, there = my_attempts - common.attempts, bundle[-1].attempts - common.attempts
    raise BundleError(
        f"both homes went on from the bundle made on {cut(common.host)} at {_when(common.at)}: since then this one "
        f"began {_count(here)} and the bundle's {_count(there)}, and importing would lose the former; go on with "
        "one of them, or import into a home of its own (--home DIR)"
    )


def _count(attempts: int) -> str:
    """Attempts that ran while the bundle was made changed without a new one having begun."""
    return (
        f"{attempts} attempt{'' if attempts == 1 else 's'}"
        if attempts
        else "no new attempt but went on with its own"
    )


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
