"""Arms against the baseline: the figures for the terminal, as CSV, LaTeX and picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.box import HORIZONTALS
from rich.table import Table
from rich.text import Text

from reports.against_baseline import ArmComparison, Contrast
from reports.csv_cells import csv_text
from reports.latex import escaped, tabular, with_interval
from reports.level import ALPHA
from reports.numbers import bound_words, interval_words, p_words, signed
from reports.ruled import Line, ruled_png
from reports.summary import Summary
from settings.shown import one_line

NOT_COMPARED = "not judged, or not judged alike"

#: Beside a p that is a difference by Holm's correction or the rules of looks, and beside one not to be relied on.
HOLDS, UNSURE = "*", "?"


@dataclass(frozen=True)
class Shown:
    """One measure of one pair, formatted; shares in points. p: empty for measures that have none. interval: why there
    is none, where there is none."""

    delta: str
    interval: str
    p: str


@dataclass(frozen=True)
class Row:
    """An arm and the baseline by title, the seeds of both, and the `measures`; none where they cannot be compared."""

    a: str
    b: str
    seeds: str
    measures: tuple[Shown, ...]

    @property
    def arms(self) -> str:
        return f"{self.a} → {self.b}"


def shown_places(summary: Summary) -> tuple[int, ...]:
    """Which measures are shown of each pair: the primary one, then the first share, the last, and the mean. All are in
    JSON and CSV."""
    metric = summary.metric
    return tuple(dict.fromkeys((summary.primary, 0, metric.ceiling - 1, metric.ceiling)))


def measures(summary: Summary) -> tuple[str, ...]:
    """What people read for them."""
    return tuple(summary.metric.labels[place] for place in shown_places(summary))


def methods(summary: Summary) -> str:
    """How the comparisons are made, as far as the report has such."""
    kinds = {comparison.interval_of for comparison in summary.comparisons}
    primary = summary.metric.labels[summary.primary]
    sequences = " or ".join(map(str, sorted({one.sequences for one in summary.comparisons if one.sequences})))
    played = f", on {sequences} sequences" if sequences else ""
    told = (
        f"Second arm minus first, the baseline (shares in points); n: seeds of each{played}. "
        f"{primary} is the primary measure and the only one with p."
    )
    parts = [told]
    looks = [one.last_look for one in summary.comparisons if one.last_look is not None]
    if looks:
        parts.append(
            f"Seeds were added as looks asked: interval (95\N{NO-BREAK SPACE}%) and p are of an arm's last look, "
            "over as many seeds of the baseline. The intervals of all looks and arms hold together; p is of that look "
            f"alone, and {HOLDS} where it is at or below {bound_words(looks[0].bound)}, which was set before. "
            "Welch's t over one figure for each trained model, unpaired."
        )
        return " ".join([*parts, *_asides(summary)])
    count = sum(one.main is not None and one.main.p_value is not None for one in summary.comparisons)
    arms = "one comparison, which changes nothing" if count == 1 else f"{count} comparisons"
    corrected = f"; {HOLDS}: still a difference by Holm's correction for {arms}" if count else ""
    parts.append(
        f"Intervals (95\N{NO-BREAK SPACE}%) and p are not adjusted for the number of arms or measures{corrected}."
    )
    if "method" in kinds:
        parts.append(
            "Methods: Welch's t over one figure for each trained model, all seeds of each arm, unpaired; difference, "
            "interval and p are of one test."
        )
    if "weights" in kinds:
        parts.append(
            "One seed each: these two models on the same sequences (exact sign flips, which for shares are McNemar's "
            "test; intervals over sequences, of shares by Bonett and Price, else a bootstrap). This says nothing of "
            "the methods."
        )
    if any(comparison.main and comparison.main.p_value is not None and not comparison.is_reliable
           for comparison in summary.comparisons):  # fmt: skip
        parts.append(
            f"{UNSURE}: with two seeds in an arm neither p nor the interval can be relied on where the arms scatter "
            "unequally."
        )
    return " ".join([*parts, *_asides(summary)])


def _asides(summary: Summary) -> Iterator[str]:
    """What figures leave out, and what they do not know of."""
    titles = _titles(summary)
    for said, counts in (
        ("Seeds that failed are in no figure", {titles[c.b]: c.failed for c in summary.comparisons}),
        (
            "Seeds that were cancelled are in no figure",
            {titles[c.b]: c.cancelled for c in summary.comparisons},
        ),
        (
            "Seeds that are not judged yet are in no figure",
            {titles[c.b]: c.missing for c in summary.comparisons},
        ),
    ):
        if any(map(any, counts.values())):
            of_baseline = max(of_a for of_a, _ in counts.values())
            told = [
                (titles[summary.baseline or ""], of_baseline),
                *((name, of_b) for name, (_, of_b) in counts.items()),
            ]
            yield f"{said}: {', '.join(f'{count} of {name}' for name, count in told if count)}."
    looked = [(titles[c.b], c.looked) for c in summary.comparisons if c.looked is not None]
    if looked:
        errors = ", ".join(f"{name} {100 * found.error:.1f}\N{NO-BREAK SPACE}%" for name, found in looked)
        yield (
            "Seeds were added after results were there, and nothing is adjusted for it: of equal methods so many are "
            f"called different at one of these looks, where p says 5\N{NO-BREAK SPACE}%: {errors}."
        )


def comparison_rows(summary: Summary) -> list[Row]:
    """Formatted rows in the order of the arms."""
    titles = _titles(summary)
    return [
        Row(titles[c.a], titles[c.b], f"{c.seeds[0]}, {c.seeds[1]}", tuple(_formatted(c, summary)))
        for c in summary.comparisons
    ]


def comparisons_terminal(summary: Summary) -> Table:
    """The comparisons for `rich.print`: a line for each measure of a pair."""
    table = Table(
        title="Against the baseline",
        caption=Text(methods(summary), "dim italic"),
        title_justify="left",
        caption_justify="left",
        box=HORIZONTALS,
    )
    for heading in ("Arms", "n", "", "Δ", "95 % interval", "p"):
        table.add_column(heading, justify="left" if heading in ("Arms", "") else "right")
    for row in comparison_rows(summary):
        names = (one_line(row.a), f"→ {one_line(row.b)}", *[""] * len(row.measures))
        for place, (measure, shown) in enumerate(zip(measures(summary), row.measures)):
            last = place == len(row.measures) - 1
            cells = (Text(shown.delta), Text(shown.interval), Text(shown.p))
            table.add_row(names[place], "" if place else row.seeds, measure, *cells, end_section=last)
        if not row.measures:
            table.add_row(one_line(row.arms), row.seeds, "", NOT_COMPARED, end_section=True)
    return table


def comparisons_csv(summary: Summary) -> str:
    """One line per pair and measure, with full precision; empty cells could not be compared, or have no p."""
    names = ["a", "b", "seeds_a", "seeds_b", "sequences", "measure", "primary", "interval_of", "delta", "low", "high",
             "p_value", "holm", "failed_a", "failed_b", "missing_a", "missing_b", "error_of_looks",
             "verdict_of_looks", "p_value_is_reliable", "no_interval_because"]  # fmt: skip
    records = []
    for c in summary.comparisons:
        pair = {"a": c.a, "b": c.b, "seeds_a": c.seeds[0], "seeds_b": c.seeds[1], "sequences": c.sequences,
                "interval_of": c.interval_of, "failed_a": c.failed[0], "failed_b": c.failed[1],
                "missing_a": c.missing[0], "missing_b": c.missing[1],
                "error_of_looks": c.looked and c.looked.error}  # fmt: skip
        for place, measure in enumerate(summary.metric.columns):
            main = {"measure": measure, "primary": str(place == c.primary).lower()}
            record = _record(c.contrasts[place]) if c.contrasts else {}
            if place == c.primary and c.holm is not None:
                record["holm"] = str(c.holm).lower()
            if place == c.primary and record.get("p_value") is not None:
                record["p_value_is_reliable"] = str(c.is_reliable).lower()
            if place == c.primary and c.last_look is not None:
                record["verdict_of_looks"] = c.last_look.verdict
            records.append(pair | main | record)
    return csv_text(names, records)


def comparisons_latex(summary: Summary) -> str:
    """A `tabular` for booktabs, and below it, as a comment, how the comparisons are made."""
    titles, metric = _titles(summary), summary.metric
    headings = ["Arms", "$n$"]
    for place in shown_places(summary):
        headings += [
            rf"$\Delta$ {escaped(metric.labels[place])}",
            *(["$p$"] if place == summary.primary else []),
        ]
    rows = []
    for c in summary.comparisons:
        cells = [escaped(f"{titles[c.a]} → {titles[c.b]}"), f"{c.seeds[0]}, {c.seeds[1]}"]
        for place in shown_places(summary) if c.contrasts else ():
            found, (scale, digits) = c.contrasts[place], metric.scale_of(place)
            cells.append(_latex(found, scale, digits))
            if place == summary.primary:
                cells.append("--" if found.p_value is None else _latex_p(c, found.p_value))
        rows.append(cells + ["--"] * (len(headings) - len(cells)))
    return tabular(headings, [rows]) + f"% {one_line(methods(summary))}\n"


def comparisons_png(summary: Summary) -> bytes:
    """The comparisons as a PNG, ruled as in a paper."""
    headings, absent = ["Arms", "n"], []
    for place in shown_places(summary):
        more = [f"Δ {summary.metric.labels[place]}", *(["p"] if place == summary.primary else [])]
        headings += more
        absent += [("–", "")] * len(more)
    rows = comparison_rows(summary)
    lines = []
    for row in rows:
        cells = []
        for place, shown in zip(shown_places(summary), row.measures):
            cells.append(
                (shown.delta, shown.interval if any(map(str.isdigit, shown.interval)) else "no interval")
            )
            if place == summary.primary:
                cells.append((shown.p or "–", ""))
        lines.append(Line(row.arms, [(row.seeds, ""), *(cells or absent)]))
    note = methods(summary)
    if not all(row.measures for row in rows):
        note += f" – = {NOT_COMPARED}."
    step = 0.4 / max(1, len(headings) - 3)
    columns = [0.03, 0.42, *(round(0.51 + place * step, 4) for place in range(len(headings) - 2))]
    return ruled_png(headings, columns, lines, note)


def _titles(summary: Summary) -> dict[str, str]:
    return {arm.arm: arm.title for arm in summary.arms}


def _formatted(comparison: ArmComparison, summary: Summary) -> Iterator[Shown]:
    for place in shown_places(summary) if comparison.contrasts else ():
        found, (scale, digits) = comparison.contrasts[place], summary.metric.scale_of(place)
        interval = found.reason
        if found.interval is not None:
            interval = interval_words(found.interval, scale, digits, scale * _margin(comparison, place))
        p = (
            ""
            if found.p_value is None
            else f"{p_words(found.p_value, _bound(comparison))}{_mark(comparison)}"
        )
        yield Shown(signed(scale * found.delta, digits), interval, p)


def _bound(comparison: ArmComparison) -> float:
    """What p is held against."""
    return ALPHA if comparison.last_look is None else comparison.last_look.bound


def _margin(comparison: ArmComparison, place: int) -> float:
    """That looks hold the interval of this measure against; 0 where none does."""
    return 0.0 if comparison.last_look is None or place != comparison.primary else comparison.last_look.margin


def _mark(comparison: ArmComparison) -> str:
    return (HOLDS if comparison.is_difference else "") + ("" if comparison.is_reliable else UNSURE)


def _record(found: Contrast) -> dict[str, float | str | None]:
    low, high = found.interval or (None, None)
    return {
        "delta": found.delta, "low": low, "high": high, "p_value": found.p_value,
        "no_interval_because": found.reason or None,
    }  # fmt: skip


def _latex(found: Contrast, scale: float, digits: int) -> str:
    if found.interval is None:
        return f"${signed(scale * found.delta, digits).replace('−', '-')}$"
    low, high = found.interval
    return with_interval(scale * found.delta, (scale * low, scale * high), digits, sign="+")


def _latex_p(comparison: ArmComparison, value: float) -> str:
    mark = _mark(comparison)
    raised = f"^{{{mark}}}" if mark else ""
    return f"${p_words(value, _bound(comparison)).replace(' ', '')}{raised}$"
