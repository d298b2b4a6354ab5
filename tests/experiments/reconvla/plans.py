"""Plans of small ablations, and what differs between two."""

from __future__ import annotations

from db.plans import Plan, PlannedJob
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner


def plan(
    *overrides: str, arms: tuple[str, ...] = ("recon",), seeds: tuple[int, ...] = (0,), **direct: object
) -> Plan:
    config = load_config("smoke", None, overrides, arms=arms, seeds=seeds, **direct)
    return Planner(config).plan()


def keys(plan: Plan, *kinds: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for job in plan.jobs:
        if not kinds or job.kind in kinds:
            found.setdefault(job.kind, set()).add(job.key)
    return found


def changed(before: Plan, after: Plan) -> set[str]:
    """Kinds of which no job is the same as before."""
    old, new = keys(before), keys(after)
    return {kind for kind in old if not old[kind] & new.get(kind, set())}


def kept(before: Plan, after: Plan) -> set[str]:
    old, new = keys(before), keys(after)
    return {kind for kind in old if old[kind] == new.get(kind)}


def of_kind(plan: Plan, kind: str) -> list[PlannedJob]:
    return [job for job in plan.jobs if job.kind == kind]
