"""What a report found, in sentences that say no more than its figures: what was found, and what could not have been."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from reports.against_baseline import ArmComparison, Contrast
from reports.data import ReportData
from reports.methods import ALPHA
from reports.metric import Metric
from reports.numbers import interval_words, p_words, signed
from reports.summary import Summary

#: Of a normal distribution, two-sided at 0.05.
_Z = 1.96


def findings(data: ReportData, summary: Summary) -> tuple[str, ...]:
    """Sentences for the top of the report; empty where no arm is compared with the baseline."""
    if summary.baseline is None or not summary.comparisons:
        return ()
    return tuple(_sentences(data, summary))


def _sentences(data: ReportData, summary: Summary) -> Iterator[str]:
    titles = {arm.arm: arm.title for arm in summary.arms}
    baseline = titles[summary.baseline or ""]
    several = len(summary.comparisons) > 1
    for comparison in summary.comparisons:
        yield _found(comparison, baseline, titles[comparison.b], summary.metric, several)
    compared = [comparison for comparison in summary.comparisons if comparison.main is not None]
    if any(comparison.interval_of == "weights" for comparison in compared):
        yield _one_seed(data, summary)
    limits = [
        (titles[c.b], (c.main.interval[1] - c.main.interval[0]) / 2)
        for c in compared
        if c.interval_of == "method" and c.main is not None and c.main.interval is not None
    ]
    if limits:
        each = ", ".join(f"{title} {_amount(half, summary)}" for title, half in limits)
        yield (
            "What could not have been found: with these seeds and their scatter, a measured difference has to be above "
            f"{each} to count as one; a true difference of that size is missed about every other time."
        )
    for comparison in compared:
        yield from _asides(comparison, titles[comparison.b], summary)


def _found(comparison: ArmComparison, baseline: str, title: str, metric: Metric, several: bool) -> str:
    main, name = (
        comparison.main,
        metric.title if comparison.primary == metric.ceiling else metric.labels[comparison.primary],
    )
    if main is None:
        return f"{title} and {baseline} were not compared: not judged, or not judged alike."
    numbers = _numbers(main, comparison, metric)
    seeds = f"{comparison.seeds[1]} and {comparison.seeds[0]} seeds"
    if comparison.interval_of == "weights":
        verdict = "differ" if main.p_value is not None and main.p_value < ALPHA else "are not told apart"
        return (
            f"In {name}, the one model of {title} and the one of {baseline} {verdict} on {comparison.sequences} "
            f"sequences: {numbers}."
        )
    if main.p_value is None:
        return f"Nothing can be said of {title} against {baseline} in {name}, with {seeds}: {numbers}."
    if main.p_value >= ALPHA:
        return f"No difference in {name} was shown between {title} and {baseline}, with {seeds}: {numbers}."
    verdict = f"{title} has {'more' if main.delta > 0 else 'less'} {name} than {baseline}"
    if comparison.holm is False:
        return f"{verdict} by itself, with {seeds}: {numbers}; corrected for the number of arms it is none."
    corrected = ", also corrected for the number of arms" if several else ""
    unsure = "" if comparison.is_reliable else "; with two seeds in an arm, do not rely on p"
    return f"{verdict}, with {seeds}{corrected}: {numbers}{unsure}."


def _one_seed(data: ReportData, summary: Summary) -> str:
    """How far another seed would move the difference, by what earlier ablations had."""
    said = "One seed says nothing of the methods"
    sd = data.seed_spread.get(summary.metric.columns[summary.primary])
    if sd is None:
        return f"{said}: how far another seed would move this difference was not measured."
    moved = _amount(_Z * sqrt(2) * sd, summary)
    return (
        f"{said}: other seeds move such a difference by up to {moved} either way (19 times of 20, if seeds scatter "
        f"as in earlier ablations, SD {_amount(sd, summary)})."
    )


def _asides(comparison: ArmComparison, title: str, summary: Summary) -> Iterator[str]:
    """What the comparison does not count: seeds that failed, and earlier looks."""
    if comparison.with_failed is not None:
        found, of = comparison.with_failed.contrast, comparison.with_failed.seeds
        numbers = _numbers(found, comparison, summary.metric)
        failed = sum(comparison.failed)
        yield (
            f"{title} against the baseline leaves out {failed} {'seed' if failed == 1 else 'seeds'} that failed; "
            f"counted as 0, with {of[1]} and {of[0]} seeds, it would be {numbers}."
        )
    if comparison.looked is not None:
        seeds = ", ".join(f"{b} and {a}" for a, b in comparison.looked.looks)
        yield (
            f"Seeds of {title} or the baseline were added when {seeds} had been judged. Whoever would have stopped at "
            f"a difference then errs more often: of equal methods, {100 * comparison.looked.error:.1f} % are called "
            "different at one of these looks or now, where p says 5 %."
        )


def _numbers(found: Contrast, comparison: ArmComparison, metric: Metric) -> str:
    scale, digits = metric.scale_of(comparison.primary)
    unit = metric.unit_of(comparison.primary)
    told = f"{signed(scale * found.delta, digits)} {unit}"
    if found.interval is not None:
        told += f" (95\N{NO-BREAK SPACE}% interval {interval_words(found.interval, scale, digits)}"
        told += (
            f", p {'' if (found.p_value or 0) < 0.001 else '= '}{p_words(found.p_value)})"
            if found.p_value is not None
            else ")"
        )
        return told
    return f"{told}, without an interval as {found.reason}"


def _amount(value: float, summary: Summary) -> str:
    scale, digits = summary.metric.scale_of(summary.primary)
    return f"{scale * value:.{digits}f} {summary.metric.unit_of(summary.primary)}"
