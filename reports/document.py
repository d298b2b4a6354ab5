"""The document of `report --json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

from errors import InvalidInput
from reports.against_baseline import ArmComparison, Contrast
from reports.data import ReportData, RunReport
from reports.epochs import Advice, advice_for
from reports.estimates import Estimates
from reports.losses import LossComparison
from reports.metric import Metric
from reports.summary import ArmSummary, Summary, summarise
from reports.words import findings


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
        "doing": data.doing or data.state or None,
        "interrupted_jobs": data.interrupted_jobs,
        "failures": list(data.failures),
        "arms": [_arm_json(arm, data) for arm in summary.arms],
        "findings": findings(data, summary),
        "baseline": summary.baseline,
        "primary_measure": data.metric.columns[summary.primary],
        "comparisons": [_comparison_json(comparison, data.metric) for comparison in summary.comparisons],
        "held_out_comparisons": [_loss_json(one) for one in summary.losses],
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


def _arm_json(arm: ArmSummary, data: ReportData) -> dict[str, Any]:
    figures = asdict(arm)
    del figures["estimates"]
    names = {"mean": data.metric.name, "mean_ci95": f"{data.metric.name}_ci95"}
    last = {name: figures.pop(name) for name in ("p_value_random", "comparable", "held_out_comparable")}
    last["failed_seeds"] = figures.pop("failed_seeds")
    last |= _estimates_json(arm.estimates, data.metric)
    last["cancelled_seeds"] = figures.pop("cancelled_seeds")
    own = {names.get(name, name): value for name, value in figures.items()}
    return _merged([own, *(part.of_arm(arm) for part in data.parts()), last])


def _estimates_json(found: Estimates | None, metric: Metric) -> dict[str, Any]:
    """`success_interval` and that of the mean with what they are of; each seed's figures in the order of
    `evaluated_seeds`."""
    shares = None if found is None else found.shares
    mean = None if found is None else found.mean
    return {
        "success_interval": shares and [one.interval for one in shares],
        f"{metric.name}_interval": mean and mean.interval,
        "interval_of": found and found.interval_of,
        "success_of_seeds": shares and [one.of_seeds for one in shares],
        f"{metric.name}_of_seeds": mean and mean.of_seeds,
        "success_sd_between_seeds": shares and [one.spread for one in shares],
        f"{metric.name}_sd_between_seeds": mean and mean.spread,
    }


def _comparison_json(comparison: ArmComparison, metric: Metric) -> dict[str, Any]:
    """`primary` and `measures` are what people read. `seeds`, `sequences`, deltas, their `ci95` and
    `p_value_these_weights` are over the sequences and seeds in common: `delta_success5` and its interval of the last
    share, `success` of all; `p_value` is of earlier versions."""
    weights, column = comparison.weights, metric.columns[comparison.primary]
    document: dict[str, Any] = {name: getattr(weights, name) for name in ("a", "b", "seeds", "sequences")}
    last = weights.success[-1] if weights.success else None
    for difference, delta, interval, suffix in (
        (last, f"delta_success{metric.ceiling}", "delta_ci95", ""),
        (weights.mean, f"delta_{metric.name}", f"delta_{metric.name}_ci95", f"_{metric.name}"),
    ):
        document[delta] = difference.delta if difference else None
        document[interval] = difference.ci95 if difference else None
        if not suffix:
            document["p_value"] = None
    document["p_value_these_weights"] = last.p_value if last else None
    document[f"p_value_{metric.name}_these_weights"] = weights.mean.p_value if weights.mean else None
    document["success"] = [
        {"k": k, "delta": one.delta, "ci95": one.ci95, "p_value_these_weights": one.p_value}
        for k, one in enumerate(weights.success, start=1)
    ] or None
    seeds = {"interval_of": comparison.interval_of, "seeds": comparison.seeds}
    main, with_failed, looked = comparison.main, comparison.with_failed, comparison.looked
    document["primary"] = main and {
        "measure": column, **_contrast(main), "p_value": main.p_value, "holm": comparison.holm,
        "is_difference": comparison.is_difference,
        "p_value_is_reliable": main.p_value is not None and comparison.is_reliable, **seeds,
    }  # fmt: skip
    document["measures"] = [
        {"measure": name, **_contrast(one), **seeds}
        for name, one in zip(metric.columns, comparison.contrasts, strict=False)
    ] or None
    document["failed_seeds"] = comparison.failed
    document["with_failed_as_0"] = with_failed and {
        "measure": column, **_contrast(with_failed.contrast), "p_value": with_failed.contrast.p_value,
        "seeds": with_failed.seeds,
    }  # fmt: skip
    document["missing_seeds"] = comparison.missing
    document["earlier_looks"] = looked and {"seeds": looked.looks, "error": looked.error}
    document["cancelled_seeds"] = comparison.cancelled
    return _plain(document)


def _loss_json(found: LossComparison) -> dict[str, Any]:
    document: dict[str, Any] = {"a": found.a, "b": found.b}
    for name in ("held_out_loss", "open_loop_error"):
        one = getattr(found, name)
        document[name] = one and {
            "delta": one.delta, "interval": one.interval, "p_value": one.p_value, "paired_seeds": one.seeds[0],
            "no_interval_because": one.reason or None,
        }  # fmt: skip
    return _plain(document)


def _contrast(found: Contrast) -> dict[str, Any]:
    return {"delta": found.delta, "interval": found.interval, "no_interval_because": found.reason or None}


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
        "failed": run.failed or None,
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
