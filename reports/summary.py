"""From runs to the figures of the report: one `ArmSummary` per arm, comparisons, and the JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import isnan
from statistics import fmean
from typing import Any

from reports.attention import over_seeds
from reports.data import AttentionScores, DataSource, ReportData, RunReport
from reports.epochs import Advice, advice_for, last_epochs_loss
from reports.gaze_data import GazeRegions, GazeScores
from reports.statistics import (
    Comparison,
    Interval,
    against_random,
    average_length_interval,
    compare,
    corrected,
    result_matrix,
    success_intervals,
    success_rates,
)


@dataclass(frozen=True)
class ArmSummary:
    """Figures of one arm over its seeds; None where not measured. `goodput` is useful over device seconds.

    `sequences` is the number per seed, `evaluated_seeds` are those that have results. `train_steps` is what every seed
    reached; slices and seconds are sums over seeds; all these are None where it is not `trained`, only judged.
    `training_loss`, `held_out_loss` and `open_loop_error` are means over the same `held_out_seeds`, those whose final
    weights were judged on held-out frames (`held_out_frames` of each; None where seeds differ in them).
    `p_value_random`: the chance of such a difference to random actions at 1/5, on the same sequences, if there were
    none.
    """

    arm: str
    title: str
    seeds: tuple[int, ...]
    evaluated_seeds: tuple[int, ...]
    sequences: int
    success: list[float] | None
    success_ci95: list[Interval] | None
    avg_len: float | None
    avg_len_ci95: Interval | None
    train_steps: int | None
    slices: int | None
    device_seconds: float | None
    goodput: float | None
    open_loop_error: float | None
    training_loss: float | None
    held_out_loss: float | None
    held_out_frames: int | None
    held_out_seeds: tuple[int, ...]
    attention: AttentionScores | None
    p_value_random: float | None

    @property
    def trained(self) -> bool:
        return self.train_steps is not None


@dataclass(frozen=True)
class Summary:
    """All computed figures of a report."""

    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    random_policy: ArmSummary | None


def summarise(data: ReportData) -> Summary:
    """Compute every figure once. Raises InvalidInput when results are out of range or ragged."""
    groups = data.arms()
    comparisons = [
        compare(a, b, _results_by_seed(groups[a]), _results_by_seed(groups[b]))
        for a, b in combinations([arm for arm, runs in groups.items() if runs[0].trained], 2)
    ]
    random_policy = None
    if data.random_results is not None:
        random_policy = _summarise_arm("random", [RunReport("random", 0, 0, results=data.random_results)])
    return Summary(
        arms=tuple(_summarise_arm(arm, runs, data.random_results) for arm, runs in groups.items()),
        comparisons=corrected(comparisons),
        random_policy=random_policy,
    )


def to_json(data: ReportData, summary: Summary | None = None) -> dict[str, Any]:
    """The document of `report --json`. A figure that was not measured is None."""
    summary = summary or summarise(data)
    return {
        "ablation": data.ablation,
        "ablation_id": data.ablation_id,
        "created_at": data.created_at,
        "state": data.state or None,
        "jobs": dict(data.jobs),
        "failures": list(data.failures),
        "arms": [_arm_json(arm) for arm in summary.arms],
        "comparisons": [_comparison_json(comparison) for comparison in summary.comparisons],
        "random_policy": _arm_json(summary.random_policy) if summary.random_policy else None,
        "closed_loop_reason": data.closed_loop_reason,
        "closed_loop_warning": data.closed_loop_warning,
        "videos": [video.caption for video in data.videos],
        "videos_reason": data.videos_reason,
        "gaze": _gaze_json(data.gaze),
        "gaze_pretraining": None
        if data.other_gaze is None
        else {
            "dataset": data.other_gaze.dataset,
            "gaze": _gaze_json(data.other_gaze.scores),
            "gaze_regions": _regions_json(data.other_gaze.regions),
        },
        "data": [_source_json(source) for source in data.data],
        "gaze_detector": data.gaze_detector or None,
        "gaze_regions": _regions_json(data.gaze_regions),
        "ledger": asdict(data.ledger),
        "ledger_by_kind": {kind: asdict(ledger) for kind, ledger in data.ledger_by_kind.items()},
        "runs": [_run_json(run) for run in data.runs],
        "environment": {
            "command": data.environment.command,
            "hardware": data.environment.hardware,
            "threads": data.environment.threads,
            "precision": data.environment.precision,
            "simulator": data.environment.simulator,
            "versions": dict(data.environment.versions),
            "data_digests": dict(data.environment.data_digests),
            "final_weights": {run: asdict(of) for run, of in data.environment.final_weights.items()},
            "mixed": list(data.environment.mixed),
        },
    }


def _results_by_seed(runs: Sequence[RunReport]) -> dict[int, Sequence[int]]:
    return {run.seed: run.results for run in runs if run.results}


def _summarise_arm(
    arm: str, runs: Sequence[RunReport], random_results: Sequence[int] | None = None
) -> ArmSummary:
    measured = _results_by_seed(runs)
    results = result_matrix(list(measured.values())) if measured else None
    device_seconds = _total([run.device_seconds for run in runs])
    useful_seconds = _total([run.useful_seconds for run in runs])
    attention = [run.attention for run in runs if run.attention is not None]
    judged = [run for run in runs if run.open_loop_error is not None]
    frames = {run.held_out_frames for run in judged}
    return ArmSummary(
        arm=arm,
        title=runs[0].title or arm,
        seeds=tuple(run.seed for run in runs),
        evaluated_seeds=tuple(measured),
        sequences=0 if results is None else results.shape[1],
        success=None if results is None else success_rates(results),
        success_ci95=None if results is None else success_intervals(results),
        avg_len=None if results is None else float(results.mean()),
        avg_len_ci95=None if results is None else average_length_interval(results),
        train_steps=min((run.train_steps for run in runs if run.train_steps is not None), default=None),
        slices=sum(run.slices or 0 for run in runs) if runs[0].trained else None,
        device_seconds=device_seconds,
        goodput=useful_seconds / device_seconds if device_seconds and useful_seconds is not None else None,
        open_loop_error=_mean([run.open_loop_error for run in judged]),
        training_loss=_mean([last_epochs_loss(run) for run in judged or runs]),
        held_out_loss=_mean([run.held_out_loss for run in judged]),
        held_out_frames=frames.pop() if len(frames) == 1 else None,
        held_out_seeds=tuple(run.seed for run in judged),
        attention=over_seeds(attention),
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


def _arm_json(arm: ArmSummary) -> dict[str, Any]:
    document = _plain(asdict(arm))
    if arm.attention is None:
        document["attention"] = {"mass_in_gaze": None, "pointing_accuracy": None}
    else:
        del document["attention"]["by_demonstration"]  # each run has its own
    return document


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    """`delta_success5`, `delta_ci95`, `p_value` and `p_value_holm` are of 5/5; `success` has all of 1..5."""
    document: dict[str, Any] = {name: getattr(comparison, name) for name in ("a", "b", "seeds", "sequences")}
    last = comparison.success[-1] if comparison.success else None
    for difference, delta, interval, suffix in (
        (last, "delta_success5", "delta_ci95", ""),
        (comparison.avg_len, "delta_avg_len", "delta_avg_len_ci95", "_avg_len"),
    ):
        document[delta] = difference.delta if difference else None
        document[interval] = list(difference.ci95) if difference else None
        document[f"p_value{suffix}"] = difference.p_value if difference else None
        document[f"p_value{suffix}_holm"] = difference.p_value_holm if difference else None
    document["success"] = [
        {"k": k, **_plain(asdict(difference))} for k, difference in enumerate(comparison.success, start=1)
    ] or None
    return document


def _run_json(run: RunReport) -> dict[str, Any]:
    names = (
        "arm", "seed", "train_steps", "slices", "open_loop_error", "held_out_loss", "held_out_frames",
        "device_seconds", "useful_seconds",
    )  # fmt: skip
    document: dict[str, Any] = {name: getattr(run, name) for name in names}
    document["results"] = None if run.results is None else list(run.results)
    document["attention"] = _plain(asdict(run.attention)) if run.attention else None
    document["tasks"] = {task: asdict(score) for task, score in sorted(run.tasks.items())}
    document["attempts"] = [asdict(attempt) for attempt in run.attempts]
    advice = advice_for(run)
    document["epochs"] = None if advice is None else _advice_json(advice)
    return document


def _advice_json(advice: Advice) -> dict[str, Any]:
    epochs = [
        {name: None if value is None or isnan(value) else value for name, value in asdict(epoch).items()}
        for epoch in advice.epochs
    ]
    return {"curve": advice.curve, "advice": advice.sentence, "epochs": epochs}


def _source_json(source: DataSource) -> dict[str, Any]:
    """`not_held_out` only where there is any."""
    values: dict[str, Any] = _plain(asdict(source))
    if not source.not_held_out:
        del values["not_held_out"]
    return values


def _gaze_json(gaze: Mapping[str, GazeScores] | None) -> dict[str, Any]:
    empty = GazeScores(0, 0, None, None)
    levels = dict(gaze or {})
    for level in ("simple", "complex"):
        levels.setdefault(level, empty)
    return {level: {**asdict(scores), "outcomes": dict(scores.outcomes)} for level, scores in levels.items()}


def _regions_json(regions: GazeRegions | None) -> dict[str, Any] | None:
    if regions is None:
        return None
    document = _plain(asdict(regions))
    document["untrusted"] = regions.with_region - regions.trusted
    document["without_region"] = regions.without_region
    for name, scores in regions.objects.items():
        document["objects"][name]["rate"] = scores.rate
    return document


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Tuples as lists, as JSON would have them anyway, so that a document equals its own round trip."""
    return {key: _listed(value) for key, value in document.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    return _plain(value) if isinstance(value, dict) else value
