"""Held-out figures of arms against the baseline, paired by seed: seeds of one number are alike in loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from reports.data import RunReport
from reports.methods import NO_SPREAD, ONE_SEED, MethodDifference, paired

#: Why pairs have no interval.
_OF_PAIRS = {ONE_SEED: "one seed in common", NO_SPREAD: "all pairs are alike"}


@dataclass(frozen=True)
class LossComparison:
    """Arm `b` minus the baseline `a`, over the seeds of both that were judged on the same held-out frames; None where
    there is none. held_out_loss: nats a token; open_loop_error: action units."""

    a: str
    b: str
    held_out_loss: MethodDifference | None
    open_loop_error: MethodDifference | None


def compare_losses(
    a: str, b: str, runs_a: Sequence[RunReport], runs_b: Sequence[RunReport]
) -> LossComparison:
    """Runs whose held-out frames differ from those of the baseline's run of that seed are left out."""
    pairs = [
        (one, other)
        for one in runs_a
        for other in runs_b
        if one.seed == other.seed
        and (one.held_out_by, one.held_out_frames) == (other.held_out_by, other.held_out_frames)
    ]
    found = []
    for name in ("held_out_loss", "open_loop_error"):
        known = [
            (one.seed, getattr(one, name), getattr(other, name))
            for one, other in pairs
            if _is_known(getattr(one, name)) and _is_known(getattr(other, name))
        ]
        found.append(
            _told(paired({seed: of_a for seed, of_a, _ in known}, {seed: of_b for seed, _, of_b in known}))
        )
    return LossComparison(a, b, *found)


def _is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def _told(found: MethodDifference | None) -> MethodDifference | None:
    """With a reason that is of pairs."""
    return None if found is None else replace(found, reason=_OF_PAIRS.get(found.reason, found.reason))
