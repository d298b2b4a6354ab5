"""From runs to the figures of the report: one `ArmSummary` per arm, and comparisons with the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from reports.against_baseline import ArmComparison, compare_with_baseline, decided
from reports.data import ReportData, RunReport
from reports.epochs import last_epochs_loss
from reports.estimates import Estimates, estimates
from reports.losses import LossComparison, compare_losses
from reports.metric import Metric
from reports.statistics import (
    Interval,
    against_random,
    mean_interval,
    result_matrix,
    success_intervals,
    success_rates,
)

#: Beside rows that are not comparable with the others.
MARK = "\N{DAGGER}"


@dataclass(frozen=True)
class ArmSummary:
    """Figures of one arm over its seeds; None where not measured. `goodput` is useful over device seconds.

    `success`, `mean`: of the report's metric. `sequences` is the number per seed, `evaluated_seeds` are those that have
    results, `failed_seeds` those that failed and get none, `cancelled_seeds` likewise.
    `estimates`: each seed's figures and the intervals that people read; `success_ci95` and `mean_ci95` are over
    sequences. `train_steps` is what every seed reached; slices and seconds are sums over seeds; all these are None
    where it is not `trained`, only judged.
    `training_loss`, `held_out_loss` and `open_loop_error` are means over the same `held_out_seeds`, those whose final
    weights were judged on held-out frames (`held_out_frames` of each; None where seeds differ in them).
    `p_value_random`: the chance of such a difference to random actions in the first share, on the same sequences, if
    there were none. `comparable`, `held_out_comparable`: whether results, and held-out figures, are of the same
    sequences or frames as those of the first row.
    """

    arm: str
    title: str
    seeds: tuple[int, ...]
    evaluated_seeds: tuple[int, ...]
    sequences: int
    success: list[float] | None
    success_ci95: list[Interval] | None
    mean: float | None
    mean_ci95: Interval | None
    train_steps: int | None
    slices: int | None
    device_seconds: float | None
    goodput: float | None
    open_loop_error: float | None
    training_loss: float | None
    held_out_loss: float | None
    held_out_frames: int | None
    held_out_seeds: tuple[int, ...]
    p_value_random: float | None
    comparable: bool = True
    held_out_comparable: bool = True
    estimates: Estimates | None = None
    failed_seeds: tuple[int, ...] = ()
    cancelled_seeds: tuple[int, ...] = ()

    @property
    def trained(self) -> bool:
        return self.train_steps is not None

    @property
    def missing_seeds(self) -> tuple[int, ...]:
        """Those without results that may get some."""
        known = (*self.evaluated_seeds, *self.failed_seeds, *self.cancelled_seeds)
        return tuple(seed for seed in self.seeds if seed not in known)

    @property
    def shown(self) -> str:
        """The row's title, with a mark where it is not comparable."""
        return self.title if self.comparable else f"{self.title} {MARK}"


@dataclass(frozen=True)
class Summary:
    """All computed figures of a report. comparisons: each other trained arm against the `baseline` (None: no arm is
    trained). primary: the place of the primary measure in the metric's columns. losses: held-out figures
    of the same pairs."""

    metric: Metric
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[ArmComparison, ...]
    random_policy: ArmSummary | None
    baseline: str | None = None
    primary: int = 0
    losses: tuple[LossComparison, ...] = ()


def summarise(data: ReportData) -> Summary:
    """Compute every figure once. Raises InvalidInput when results are out of range or ragged."""
    groups = data.arms()
    random_policy = None
    if data.random_results is not None:
        runs = [RunReport("random", 0, 0, results=data.random_results)]
        beside = _judged_by(data.runs)
        random_policy = replace(
            _summarise_arm("random", runs, data.metric),
            comparable=not data.random_judged_by or not beside or data.random_judged_by == beside,
        )
    return Summary(
        metric=data.metric,
        arms=tuple(_in_the_table(arm, runs, data) for arm, runs in groups.items()),
        comparisons=_comparisons(data),
        random_policy=random_policy,
        baseline=baseline_of(data),
        primary=primary_of(data),
        losses=_losses(data),
    )


def baseline_of(data: ReportData) -> str | None:
    """The arm that the others are compared with: the named one, else the first that is trained."""
    return data.baseline or next(iter(data.trained_arms()), None)


def primary_of(data: ReportData) -> int:
    """The place of the primary measure in the metric's columns: the named one, else the mean."""
    return data.metric.columns.index(data.primary or data.metric.name)


def _comparisons(data: ReportData) -> tuple[ArmComparison, ...]:
    """What was judged otherwise than the baseline is compared with nothing."""
    arms, baseline = data.trained_arms(), baseline_of(data)
    if baseline is None:
        return ()
    first = arms[baseline]
    found = []
    for arm, runs in arms.items():
        if arm == baseline:
            continue
        alike = _judged_by(first) == _judged_by(runs)
        found.append(
            compare_with_baseline(
                baseline,
                arm,
                _results_by_seed(first) if alike else {},
                _results_by_seed(runs) if alike else {},
                data.metric,
                primary_of(data),
                (len(_failed(first)), len(_failed(runs))),
                [(look.get(baseline, 0), look.get(arm, 0)) for look in data.looks],
                None if data.last_looks is None else data.last_looks.get(arm),
                (_missing(first), _missing(runs)),
                (len(_cancelled(first)), len(_cancelled(runs))),
            )
        )
    return decided(found)


def _losses(data: ReportData) -> tuple[LossComparison, ...]:
    arms, baseline = data.trained_arms(), baseline_of(data)
    if baseline is None:
        return ()
    others = ((arm, runs) for arm, runs in arms.items() if arm != baseline)
    return tuple(compare_losses(baseline, arm, arms[baseline], runs) for arm, runs in others)


def _failed(runs: Sequence[RunReport]) -> tuple[int, ...]:
    return tuple(run.seed for run in runs if run.failed and not run.results)


def _cancelled(runs: Sequence[RunReport]) -> tuple[int, ...]:
    return tuple(run.seed for run in runs if run.cancelled and not run.failed and not run.results)


def _missing(runs: Sequence[RunReport]) -> int:
    """How many have no results yet."""
    return sum(not run.results and not run.failed and not run.cancelled for run in runs)


def _in_the_table(arm: str, runs: Sequence[RunReport], data: ReportData) -> ArmSummary:
    """Beside the first row, which says what the others are compared on."""
    judged_by, held_out_by = _judged_by(runs), _held_out_by(runs)
    random = data.random_results if data.random_judged_by in ("", judged_by) else None
    return replace(
        _summarise_arm(arm, runs, data.metric, random),
        comparable=judged_by in ("", _judged_by(data.runs)),
        held_out_comparable=held_out_by in ("", _held_out_by(data.runs)),
    )


def _judged_by(runs: Sequence[RunReport]) -> str:
    """Of the first that says; runs that have not been judged yet may say nothing."""
    return next((run.judged_by for run in runs if run.judged_by), "")


def _held_out_by(runs: Sequence[RunReport]) -> str:
    return next((run.held_out_by for run in runs if run.held_out_by), "")


def _results_by_seed(runs: Sequence[RunReport]) -> dict[int, Sequence[int]]:
    return {run.seed: run.results for run in runs if run.results}


def _summarise_arm(
    arm: str,
    runs: Sequence[RunReport],
    metric: Metric,
    random_results: Sequence[int] | None = None,
) -> ArmSummary:
    measured = _results_by_seed(runs)
    results = result_matrix(list(measured.values()), metric.ceiling) if measured else None
    device_seconds = _total([run.device_seconds for run in runs])
    useful_seconds = _total([run.useful_seconds for run in runs])
    judged = [run for run in runs if run.open_loop_error is not None]
    frames = {run.held_out_frames for run in judged}
    return ArmSummary(
        arm=arm,
        title=runs[0].title or arm,
        seeds=tuple(run.seed for run in runs),
        evaluated_seeds=tuple(measured),
        failed_seeds=_failed(runs),
        cancelled_seeds=_cancelled(runs),
        sequences=0 if results is None else results.shape[1],
        success=None if results is None else success_rates(results, metric.ceiling),
        success_ci95=None if results is None else success_intervals(results, metric.ceiling),
        mean=None if results is None else float(results.mean()),
        mean_ci95=None if results is None else mean_interval(results),
        estimates=None if results is None or not results.size else estimates(results, metric.ceiling),
        train_steps=min((run.train_steps for run in runs if run.train_steps is not None), default=None),
        slices=sum(run.slices or 0 for run in runs) if runs[0].trained else None,
        device_seconds=device_seconds,
        goodput=useful_seconds / device_seconds if device_seconds and useful_seconds is not None else None,
        open_loop_error=_mean([run.open_loop_error for run in judged]),
        training_loss=_mean([last_epochs_loss(run) for run in judged or runs]),
        held_out_loss=_mean([run.held_out_loss for run in judged]),
        held_out_frames=frames.pop() if len(frames) == 1 else None,
        held_out_seeds=tuple(run.seed for run in judged),
        p_value_random=None
        if results is None or random_results is None or not runs[0].trained
        else against_random(results, random_results),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that were measured."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _total(values: Sequence[float | None]) -> float | None:
    """Sum, or None unless every value was measured: a partial sum would pass for the whole."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
