"""What the figures of a short trial cannot mean, in sentences for its top."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reports.data import ReportData
from reports.statistics import success_intervals
from reports.summary import Summary

#: Of fewer a rate of 0 or 1 leaves more than 19 points open.
_FEW_SEQUENCES = 20


def meaning(data: ReportData, summary: Summary) -> tuple[str, ...]:
    """Empty where models saw their data at least once and were judged on enough sequences to tell anything."""
    return (*_of_training(data), *_of_sequences(summary))


def _of_training(data: ReportData) -> Iterator[str]:
    known = [run for run in data.runs if run.train_steps is not None and run.steps_per_epoch]
    if known and all((run.train_steps or 0) < (run.steps_per_epoch or 0) for run in known):
        steps = sorted({run.train_steps or 0 for run in known})
        told = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
        yield (
            f"Trained for {told} step{'s' * (steps != [1])}, less than one pass over the data: such figures show that "
            "every part works, and not what an arm is worth."
        )


def _of_sequences(summary: Summary) -> Iterator[str]:
    counts = {arm.sequences for arm in summary.arms if arm.sequences}
    if counts and max(counts) < _FEW_SEQUENCES:
        most = max(counts)
        ((_, high),) = success_intervals(np.zeros((1, most), dtype=np.int64), 1)
        yield (
            f"{most} sequence{'s' * (most != 1)} a run: even a rate of 0 or 100 % leaves {100 * high:.0f} points open"
            f"{_order(summary)}."
        )
        alone = (arm.estimates for arm in summary.arms if len(arm.evaluated_seeds) == 1)
        if any(found is not None and found.mean.interval is not None for found in alone):
            yield f"Intervals of the {summary.metric.title} are drawn from these few, and too narrow."


def _order(summary: Summary) -> str:
    """What may be read of the arms all the same: few sequences show a difference that is large enough."""
    if not summary.comparisons:
        return ""
    if any(one.is_difference for one in summary.comparisons):
        return (
            ", so of the order of the arms only what the comparisons call a difference can be read from them"
        )
    return ", so no order of the arms can be read from them"
