"""What is done again of an ablation that is planned otherwise than it was, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence

from db.plans import Plan
from db.rows import JobRow
from tasks.changes import reasons
from tasks.registry import kind_named

#: For jobs that have no reason of their own, where none has.
_UNKNOWN = "what they read changed, or how they are planned"

#: Parameters that are the content of a file which a setting names: kind -> parameter -> setting.
_OF_FILES = {
    "evaluate": {"instructions": "evaluation.instructions", "listed": "evaluation.sequences_file"},
}


def edited(earlier: Sequence[JobRow], plan: Plan) -> list[str]:
    """Settings that name a file which held something else when the jobs `earlier` were planned."""
    keys, before = {row.key for row in earlier}, {(row.kind, row.label): row for row in earlier}
    found = []
    for job in plan.jobs:
        row = before.get((job.kind, job.label))
        if job.key in keys or row is None:
            continue
        now = json.loads(json.dumps(job.spec))
        parameters = _OF_FILES.get(job.kind, {})
        found += [setting for name, setting in parameters.items() if row.spec.get(name) != now.get(name)]
    return list(dict.fromkeys(found))


def done_again(earlier: Sequence[JobRow], plan: Plan) -> str:
    """Jobs of `plan` that the ablation with the jobs `earlier` has otherwise: how many of each
    kind, with all known reasons of that kind, a part of a sentence; empty where it has them all.

    A kind without a reason reads what others make. Jobs are told apart by their labels, which people read, only to
    say why.
    """
    keys, before = {row.key for row in earlier}, {(row.kind, row.label): row for row in earlier}
    counts: dict[str, int] = {}
    why: dict[str, list[str]] = {}
    for job in plan.jobs:
        if job.key in keys:
            continue
        counts[job.kind] = counts.get(job.kind, 0) + 1
        known = why.setdefault(job.kind, [])
        row = before.get((job.kind, job.label))
        if row is not None:
            now = json.loads(json.dumps(job.spec))
            known += kind_named(job.kind).reasons(row.version, job.version)
            known += reasons(job.kind, row.spec, now)
    told = [
        f"{count} {kind}" + (f" ({'; '.join(dict.fromkeys(why[kind]))})" if why[kind] else "")
        for kind, count in counts.items()
    ]
    if not told:
        return ""
    return ", ".join(told) if any(why.values()) else f"{', '.join(told)} ({_UNKNOWN})"
