"""What the kinds of job that there are say of their artifacts."""

from __future__ import annotations

from db.retention import Retention
from tasks.registry import KINDS


def retention() -> Retention:
    """For whoever removes, carries away or looks through artifacts."""
    kinds = KINDS.values()
    return Retention(
        intermediate=frozenset(made for kind in kinds if kind.intermediate for made in kind.makes),
        pictured={kind.name: kind.pictured for kind in kinds if kind.pictured},
    )
