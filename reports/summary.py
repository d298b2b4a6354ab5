"""From runs to the figures of the report: one `ArmSummary` per arm, comparisons, and the JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from math import isnan
from statistics import fmean
from typing import Any

from errors import InvalidInput
from reports.data import ReportData, RunReport
from reports.epochs import Advice, advice_for, last_epochs_loss
from reports.metric import Metric
from reports.statistics import (
    Comparison,
    Interval,
    against_random,
    compare,
    corrected,
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
    results. `train_steps` is what every seed reached; slices and seconds are sums over seeds; all these are None
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

    @property
    def trained(self) -> bool:
        return self.train_steps is not None

    @property
    def shown(self) -> str:
        """The row's title, with a mark where it is not comparable."""
        return self.title if self.comparable else f"{self.title} {MARK}"


@dataclass(frozen=True)
class Summary:
    """All computed figures of a report."""

    metric: Metric
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    random_policy: ArmSummary | None


def summarise(data: ReportData) -> Summary:
    """Compute every figure once. Raises InvalidInput when results are out of range or ragged."""
    groups = data.arms()
    comparisons = [
        compare(a, b, _results_by_seed(groups[a]), _results_by_seed(groups[b]), data.metric.ceiling)
        if _judged_by(groups[a]) == _judged_by(groups[b])
        else Comparison(a, b, 0, 0)
        for a, b in combinations([arm for arm, runs in groups.items() if runs[0].trained], 2)
    ]
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
        comparisons=corrected(comparisons),
        random_policy=random_policy,
    )


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


def to_json(data: ReportData, summary: Summary | None = None) -> dict[str, Any]:
    """The document of `report --json`. A figure that was not measured is None.

    Raises InvalidInput where two parts of the report give the same entry.
    """
    summary = summary or summarise(data)
    own = {
        "ablation": data.ablation,
        "ablation_id": data.ablation_id,
        "created_at": data.created_at,
        "state": data.state or None,
        "jobs": dict(data.jobs),
        "failures": list(data.failures),
        "arms": [_arm_json(arm, data) for arm in summary.arms],
        "comparisons": [_comparison_json(comparison, data.metric) for comparison in summary.comparisons],
        "random_policy": _arm_json(summary.random_policy, data) if summary.random_policy else None,
        "closed_loop_reason": data.closed_loop_reason,
        "closed_loop_warning": data.closed_loop_warning,
        "runs": [_run_json(run, data) for run in data.runs],
    }
    document = _merged([own, *(part.document() for part in data.parts())])
    first = [name for name in data.order if name in document]
    return {name: document[name] for name in dict.fromkeys([*first, *document])}


def _merged(entries: Iterable[Mapping[str, object]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for entry in entries:
        twice = sorted(merged.keys() & entry.keys())
        if twice:
            raise InvalidInput(f"two parts of a report give the entries {', '.join(twice)}")
        merged |= _plain(entry)
    return merged


def _results_by_seed(runs: Sequence[RunReport]) -> dict[int, Sequence[int]]:
    return {run.seed: run.results for run in runs if run.results}


def _summarise_arm(
    arm: str, runs: Sequence[RunReport], metric: Metric, random_results: Sequence[int] | None = None
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
        sequences=0 if results is None else results.shape[1],
        success=None if results is None else success_rates(results, metric.ceiling),
        success_ci95=None if results is None else success_intervals(results, metric.ceiling),
        mean=None if results is None else float(results.mean()),
        mean_ci95=None if results is None else mean_interval(results),
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


def _arm_json(arm: ArmSummary, data: ReportData) -> dict[str, Any]:
    figures = asdict(arm)
    names = {"mean": data.metric.name, "mean_ci95": f"{data.metric.name}_ci95"}
    last = {name: figures.pop(name) for name in ("p_value_random", "comparable", "held_out_comparable")}
    own = {names.get(name, name): value for name, value in figures.items()}
    return _merged([own, *(part.of_arm(arm) for part in data.parts()), last])


def _comparison_json(comparison: Comparison, metric: Metric) -> dict[str, Any]:
    """`delta_ci95`, `p_value` and `p_value_holm` are of the last share, `delta_success5` of five; `success` has all."""
    document: dict[str, Any] = {name: getattr(comparison, name) for name in ("a", "b", "seeds", "sequences")}
    last = comparison.success[-1] if comparison.success else None
    for difference, delta, interval, suffix in (
        (last, f"delta_success{metric.ceiling}", "delta_ci95", ""),
        (comparison.mean, f"delta_{metric.name}", f"delta_{metric.name}_ci95", f"_{metric.name}"),
    ):
        document[delta] = difference.delta if difference else None
        document[interval] = list(difference.ci95) if difference else None
        document[f"p_value{suffix}"] = difference.p_value if difference else None
        document[f"p_value{suffix}_holm"] = difference.p_value_holm if difference else None
    document["success"] = [
        {"k": k, **_plain(asdict(difference))} for k, difference in enumerate(comparison.success, start=1)
    ] or None
    return document


def _run_json(run: RunReport, data: ReportData) -> dict[str, Any]:
    names = (
        "arm", "seed", "train_steps", "slices", "open_loop_error", "held_out_loss", "held_out_frames",
        "device_seconds", "useful_seconds",
    )  # fmt: skip
    figures: dict[str, Any] = {name: getattr(run, name) for name in names}
    figures["results"] = None if run.results is None else list(run.results)
    advice = advice_for(run)
    last = {
        "tasks": {task: asdict(score) for task, score in sorted(run.tasks.items())},
        "attempts": [asdict(attempt) for attempt in run.attempts],
        "epochs": None if advice is None else _advice_json(advice),
    }
    return _merged([figures, *(part.of_run(run) for part in data.parts()), last])


def _advice_json(advice: Advice) -> dict[str, Any]:
    epochs = [
        {name: None if value is None or isnan(value) else value for name, value in asdict(epoch).items()}
        for epoch in advice.epochs
    ]
    return {"curve": advice.curve, "advice": advice.sentence, "epochs": epochs}


def _plain(document: Mapping[str, object]) -> dict[str, Any]:
    """Tuples as lists, as JSON would have them anyway, so that a document equals its own round trip."""
    return {key: _listed(value) for key, value in document.items()}


def _listed(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    return _plain(value) if isinstance(value, Mapping) else value
