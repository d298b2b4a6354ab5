"""What a report found, in sentences that say no more than its figures: what was found, and what could not have been."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import sqrt

from reports.against_baseline import ArmComparison, Contrast
from reports.data import ReportData
from reports.last_look import LastLook
from reports.level import ALPHA
from reports.limits import amount, at_an_end, exaggerated, limits, scatters
from reports.metric import Metric
from reports.numbers import bound_words, interval_words, p_equals, signed
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
    tests = sum(one.main is not None and one.main.p_value is not None for one in summary.comparisons)
    for comparison in summary.comparisons:
        yield _found(comparison, baseline, titles[comparison.b], summary.metric, tests)
    if any(comparison.interval_of == "weights" for comparison in summary.comparisons):
        yield _one_seed(data, summary)
    yield from limits(data, summary)
    yield from exaggerated(data, summary)
    looks = [
        one.last_look for one in summary.comparisons if one.last_look is not None and one.last_look.seeds
    ]
    if any(look.interval is not None for look in looks):
        yield (
            "Seeds were added as looks asked; 95\N{NO-BREAK SPACE}% is how often the intervals of all looks and "
            "arms hold together."
        )
    if any(look.is_difference and look.seeds < look.most for look in looks):
        yield "The difference of an arm that ended early as different is larger on average than that of the methods."
    for comparison in summary.comparisons:
        yield from _left_out(comparison, baseline, titles[comparison.b], summary)
    yield from _looks(summary, titles, baseline)


def _found(comparison: ArmComparison, baseline: str, title: str, metric: Metric, tests: int) -> str:
    main, name = comparison.main, metric.title_of(comparison.primary)
    if main is None:
        return f"{title} and {baseline} were not compared: not judged, or not judged alike."
    numbers, seeds = _numbers(main, comparison, metric), _seeds(comparison)
    above = f"{title} {'above' if main.delta > 0 else 'below'} {baseline}"
    if comparison.last_look is not None and comparison.last_look.seeds:
        return _found_by_looks(comparison, comparison.last_look, (title, baseline), metric)
    if comparison.interval_of == "weights":
        return (
            f"In {name}, the one model of {title} and the one of {baseline} {_of_two_models(main)} on "
            f"{comparison.sequences} sequences: {numbers}{_aside_of_two_models(main, comparison.holm)}."
        )
    if main.p_value is None:
        return f"Nothing can be said of {title} against {baseline} in {name}, {seeds}: {numbers}."
    unsure = ""
    if not comparison.is_reliable:
        unsure = "; with two seeds in an arm, rely neither on p nor on the interval"
    if comparison.looked is not None:
        unsure += "; neither p nor the interval knows of the looks before"
    if main.p_value >= ALPHA:
        return (
            f"No difference in {name} was shown between {title} and {baseline}, {seeds}: {numbers}{unsure}."
        )
    if not comparison.is_reliable:
        return (
            f"A difference in {name} is shown only if both arms scatter alike, which two seeds do not tell"
            f"{_not_holm(comparison, tests)}: {above}, {seeds}: {numbers}{unsure}."
        )
    if comparison.holm is False:
        return (
            f"A difference in {name} would be shown if this were the only comparison, but is not with the correction "
            f"for the number of arms ({tests}): {above}, {seeds}: {numbers}{unsure}."
        )
    corrected = f", also corrected for the number of arms ({tests})" if tests > 1 else ""
    return f"A difference in {name} was shown{corrected}: {above}, {seeds}: {numbers}{unsure}."


def _of_two_models(main: Contrast) -> str:
    """What p and interval say where they agree; they are of two tests, and near the level may not."""
    by_p = main.p_value is not None and main.p_value < ALPHA
    if _is_contradicted(main):
        return "may differ" if by_p else "are not told apart by p"
    return "differ" if by_p else "are not told apart"


def _aside_of_two_models(main: Contrast, holm: bool | None) -> str:
    corrected = ""
    if main.p_value is not None and main.p_value < ALPHA and holm is False:
        corrected = "; corrected for the number of arms, they are not told apart"
    apart = (
        "; p and interval are of two tests, which disagree here: it is at the edge"
        if _is_contradicted(main)
        else ""
    )
    return corrected + apart


def _is_contradicted(main: Contrast) -> bool:
    """Whether the interval holds 0 though p is small, or does not though it is not."""
    if main.interval is None or main.p_value is None:
        return False
    low, high = main.interval
    return (main.p_value < ALPHA) == (low <= 0 <= high)


def _not_holm(comparison: ArmComparison, tests: int) -> str:
    """Of a p below the level, where Holm's correction does not call it a difference."""
    return (
        f", and not with the correction for the number of arms ({tests})" if comparison.holm is False else ""
    )


def _found_by_looks(comparison: ArmComparison, look: LastLook, names: tuple[str, str], metric: Metric) -> str:
    """names: of the arm and of the baseline."""
    assert comparison.main is not None, "what is not compared has no look"
    delta, name = comparison.main.delta, metric.title_of(comparison.primary)
    at_look = f"at the look {_seeds(comparison)}: {_numbers(comparison.main, comparison, metric)}"
    at_look += "" if look.p_value is None else f"; such a p counts from {bound_words(look.bound)} down"
    scale, digits = metric.scale_of(comparison.primary)
    margin = f"the margin of {scale * look.margin:.{digits}f} {metric.unit_of(comparison.primary)}"
    both = f"{names[0]} and {names[1]}"
    if look.p_value is None:
        ends = "no look is left" if look.verdict == "undecided" else "no look decides before they differ"
        return f"Nothing can be said of {names[0]} against {names[1]} in {name}, {at_look}; {ends}."
    if look.is_difference:
        side = "above" if delta > 0 else "below"
        return f"A difference in {name} was shown: {names[0]} {side} {names[1]}, {at_look}."
    if look.verdict == "within":
        return f"{both} were shown to differ in {name} by less than {margin}, {at_look}."
    if look.verdict == "undecided":
        return (
            f"Neither a difference in {name} was shown between {both}, nor that it is less than {margin}; no look is "
            f"left, {at_look}."
        )
    return f"No difference in {name} was shown between {both} so far, {at_look}."


def _seeds(comparison: ArmComparison) -> str:
    return f"with {comparison.seeds[1]} and {comparison.seeds[0]} seeds on {comparison.sequences} sequences"


def _one_seed(data: ReportData, summary: Summary) -> str:
    """How far the difference of two models may be from that of their methods, by what other models had."""
    said = "One seed says nothing of the methods"
    known = data.scatter.get(summary.metric.columns[summary.primary])
    compared = [one for one in summary.comparisons if one.interval_of == "weights"]
    if known is None:
        return f"{said}: how far this difference may be from theirs was not measured."
    if all(at_an_end(summary, arm) for one in compared for arm in (one.a, one.b)):
        return (
            f"{said}: how far this difference may be from theirs is not known where nearly all sequences fail, or "
            "nearly none."
        )
    sequences = compared[0].sequences
    far = amount(_Z * sqrt(2) * known.of_model(sequences), summary)
    return (
        f"{said}: the difference of two single models is off by up to {far} either way from theirs 19 times of 20, and "
        f"by more else, if {scatters(known, sequences, summary)}."
    )


def _left_out(comparison: ArmComparison, baseline: str, title: str, summary: Summary) -> Iterator[str]:
    """What a comparison does not count: seeds that failed or were cancelled, and those that are not judged yet."""
    if comparison.main is None:
        return
    if comparison.with_failed is not None:
        found, of = comparison.with_failed.contrast, comparison.with_failed.seeds
        numbers = _numbers(found, comparison, summary.metric)
        yield (
            f"{title} against {baseline} leaves out {_of_both(comparison.failed, title, baseline)} that failed; "
            f"counted as 0, with {of[1]} and {of[0]} seeds, it would be {numbers}."
        )
    if any(comparison.cancelled):
        was = "was" if sum(comparison.cancelled) == 1 else "were"
        yield (
            f"{title} against {baseline} leaves out {_of_both(comparison.cancelled, title, baseline)} that {was} "
            "cancelled; a difference means something only if that was not for what they showed."
        )
    if any(comparison.missing) and comparison.last_look is None:
        yield (
            f"{title} against {baseline} is not whole, as {_of_both(comparison.missing, title, baseline)} "
            f"{'waits' if sum(comparison.missing) == 1 else 'wait'} to be judged: whoever concludes from it now has "
            "looked once more than p knows of."
        )


def _of_both(counts: tuple[int, int], title: str, baseline: str) -> str:
    """`1 seed of recon and 2 of baseline`."""
    told = [(counts[1], title), (counts[0], baseline)]
    parts = [f"{count} {'seed' if count == 1 else 'seeds'} of {name}" for count, name in told if count]
    return " and ".join(parts)


def _looks(summary: Summary, titles: dict[str, str], baseline: str) -> Iterator[str]:
    """Earlier looks, of arms that were looked at alike together."""
    looked = [one for one in summary.comparisons if one.looked is not None]
    for found, group in groupby(looked, key=lambda one: one.looked):
        assert found is not None
        arms = [titles[one.b] for one in group]
        seeds = ", then ".join(f"{b} and {a}" for a, b in found.looks)
        yield (
            f"Seeds were added when {seeds} of {', '.join(arms)} and of {baseline} had been judged; p and intervals "
            "are made as if nobody had looked then. Whoever would have stopped at a difference errs more often: of "
            f"equal methods, {100 * found.error:.1f}\N{NO-BREAK SPACE}% are called different at one of these looks or "
            f"now, where p says 5\N{NO-BREAK SPACE}%{'' if len(summary.comparisons) == 1 else ', for each arm'}."
        )


def _margin(comparison: ArmComparison) -> float:
    """That looks hold an interval against, in the measure's own unit; 0 without looks."""
    return 0.0 if comparison.last_look is None else comparison.last_look.margin


def _numbers(found: Contrast, comparison: ArmComparison, metric: Metric) -> str:
    scale, digits = metric.scale_of(comparison.primary)
    unit = metric.unit_of(comparison.primary)
    told = f"{signed(scale * found.delta, digits)} {unit}"
    if found.interval is None:
        return f"{told}, without an interval as {found.reason}"
    bound = ALPHA if comparison.last_look is None else comparison.last_look.bound
    p = "" if found.p_value is None else f", {p_equals(found.p_value, bound)}"
    interval = interval_words(found.interval, scale, digits, scale * _margin(comparison))
    return f"{told} (95\N{NO-BREAK SPACE}% interval {interval}{p})"
