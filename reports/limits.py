"""What an ablation could not have found: the differences that its seeds miss more often than they may."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from reports.against_baseline import ArmComparison
from reports.data import ReportData
from reports.last_look import LastLook
from reports.level import ALPHA
from reports.power import detectable
from reports.scatter import CEILING, FLOOR, Spread
from reports.summary import Summary

#: A smaller difference than one that is found so often is called one that could not have been found.
POWER = 0.8

_RANGES = "; ranges in brackets are of the ends of that interval"


def limits(data: ReportData, summary: Summary) -> Iterator[str]:
    """Sentences of the comparisons of methods, one for each number of seeds."""
    last_looks = data.last_looks
    compared = [
        one
        for one in summary.comparisons
        if one.interval_of == "method" and min(one.seeds) > 1 and one.contrasts
    ]
    if not compared:
        return
    known, place = data.scatter.get(summary.metric.columns[summary.primary]), summary.primary
    title = summary.metric.title_of(place)
    if known is None or known.of_model(compared[0].sequences) <= 0:
        yield f"How large a difference could have been found is not known: {_nobody(title)}."
        return
    if all(at_an_end(summary, arm) for one in compared for arm in (one.a, one.b)):
        yield (
            "How large a difference could have been found is not known: where nearly all sequences fail, or nearly "
            "none, models scatter otherwise than those that this is known of."
        )
        return
    if last_looks is not None:
        yield _of_looks(next(iter(last_looks.values())), compared[0].sequences, known, summary)
        return
    tests = sum(one.main is not None and one.main.p_value is not None for one in summary.comparisons)
    missed = [
        _of_named(seeds, sequences, known, tests, summary)
        for (seeds, sequences), _ in groupby(sorted(compared, key=_design), _design)
    ]
    if tests > 1:
        missed.append(f"the larger figures are where Holm's correction for {tests} arms is at its strictest")
    yield (
        f"What could not have been found, or not in four of five such ablations: {'; '.join(missed)}. That is if "
        f"{scatters(known, compared[0].sequences, summary)}{_RANGES}."
    )


def exaggerated(data: ReportData, summary: Summary) -> Iterator[str]:
    """A sentence for differences of methods that are shown though most ablations like this would have missed them.

    What is looked at has one of its own.
    """
    known = data.scatter.get(summary.metric.columns[summary.primary])
    if known is None:
        return
    scale, _ = summary.metric.scale_of(summary.primary)
    titles = {arm.arm: arm.title for arm in summary.arms}
    told = [
        titles[one.b]
        for one in summary.comparisons
        if one.interval_of == "method" and one.last_look is None and one.main is not None
        if one.main.p_value is not None and one.main.p_value < ALPHA
        if (sd := known.of_model(one.sequences)) > 0
        and abs(scale * one.main.delta) < detectable(sd, one.seeds, POWER)
    ]
    if told:
        yield (
            f"The difference of {' and that of '.join(told)} is smaller than what four of five such ablations find. "
            "Differences of that size that are shown are larger on average than those of the methods."
        )


def at_an_end(summary: Summary, arm: str) -> bool:
    """Whether nearly all sequences of an arm fail at once, or nearly none."""
    found = next(one.estimates for one in summary.arms if one.arm == arm)
    return found is not None and not FLOOR <= found.shares[0].value <= CEILING


def scatters(known: Spread, sequences: int, summary: Summary) -> str:
    """How a model's figure scatters and how that is known."""
    low, high = (_number(edge, summary) for edge in known.interval_of_model(sequences))
    return (
        f"models of one arm scatter with a standard deviation of {amount(known.of_model(sequences), summary)} "
        f"(95\N{NO-BREAK SPACE}% interval {low} to {high}; {known.source})"
    )


def amount(value: float, summary: Summary) -> str:
    """Of the primary measure in the unit that people read, with that unit."""
    return f"{_number(value, summary)} {summary.metric.unit_of(summary.primary)}"


def _number(value: float, summary: Summary) -> str:
    return f"{value:.{summary.metric.scale_of(summary.primary)[1]}f}"


def _nobody(title: str) -> str:
    return f"how trained models scatter in {title} was not measured"


def _design(comparison: ArmComparison) -> tuple[tuple[int, int], int]:
    return comparison.seeds, comparison.sequences


def _of_named(seeds: tuple[int, int], sequences: int, known: Spread, tests: int, summary: Summary) -> str:
    strict = ""
    if tests > 1:
        strict = f", or {_missed(known, sequences, seeds, ALPHA / tests, summary)}"
    missed = _missed(known, sequences, seeds, ALPHA, summary)
    return f"with {seeds[1]} and {seeds[0]} seeds on {sequences} sequences true differences {missed}{strict}"


def _of_looks(look: LastLook, sequences: int, known: Spread, summary: Summary) -> str:
    missed = _missed(known, sequences, (look.most, look.most), look.bound, summary)
    return (
        "What could not be found, or not in four of five such ablations: at the last look that is planned, with "
        f"{look.most} seeds on {sequences} sequences, true differences {missed}. That is if "
        f"{scatters(known, sequences, summary)}{_RANGES}."
    )


def _missed(known: Spread, sequences: int, seeds: tuple[int, int], alpha: float, summary: Summary) -> str:
    """The differences that are found less often than with POWER; how uncertain the largest is, as the scatter is."""
    sds = (known.of_model(sequences), *known.interval_of_model(sequences))
    largest, low, high = (detectable(sd, seeds, POWER, alpha) if sd > 0 else 0.0 for sd in sds)
    most = summary.metric.ceiling if summary.primary == summary.metric.ceiling else 100.0
    if largest > most:
        return "of any size"
    upper = _number(high, summary) if high <= most else "any"
    return f"below {amount(largest, summary)} ({_number(low, summary)} to {upper})"
