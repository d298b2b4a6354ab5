"""Arm against arm: the figures of the report's comparisons for the terminal, as CSV, LaTeX and picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.box import HORIZONTALS
from rich.table import Table

from reports.csv_cells import csv_text
from reports.latex import escaped, tabular, with_interval
from reports.metric import Metric
from reports.ruled import Line, ruled_png
from reports.statistics import Comparison, Difference, Interval
from reports.summary import Summary
from settings.shown import one_line

NOT_COMPARED = "no seed in common, or not judged alike"


@dataclass(frozen=True)
class Shown:
    """One measure of one pair, formatted; successes in points."""

    delta: str
    interval: str
    p: str
    p_holm: str


@dataclass(frozen=True)
class Row:
    """A pair of arms by title, and its `measures`; none of them where the arms cannot be compared."""

    a: str
    b: str
    measures: tuple[Shown, ...]

    @property
    def arms(self) -> str:
        return f"{self.a} → {self.b}"


def measures(metric: Metric) -> tuple[str, ...]:
    """What is shown of each pair: the first share, the last, and the mean. All shares are in JSON and CSV."""
    return (*(metric.rates[place] for place in _shares(metric)), metric.short)


def methods(metric: Metric) -> str:
    """How the comparisons are made."""
    return (
        "Second arm minus first (successes in points), on the same sequences and seeds. Successes: exact McNemar test "
        f"with one seed, sign flips over sequences with more; {metric.title}: sign flips. Holm: p corrected for the "
        "number of pairs of arms, each measure by itself. p speaks of the models as they were trained; the intervals "
        "(paired bootstrap, 95\N{NO-BREAK SPACE}%) draw seeds anew too, and say more of what other seeds would give."
    )


def comparison_rows(summary: Summary) -> list[Row]:
    """Formatted rows in the order of the arms."""
    titles = _titles(summary)
    return [
        Row(titles[c.a], titles[c.b], tuple(_formatted(*measure) for measure in _shown(c, summary.metric)))
        for c in summary.comparisons
    ]


def comparisons_terminal(summary: Summary) -> Table:
    """The comparisons for `rich.print`: a line for each measure of a pair."""
    table = Table(
        title="Comparisons",
        caption=methods(summary.metric),
        title_justify="left",
        caption_justify="left",
        box=HORIZONTALS,
    )
    for heading in ("Arms", "", "Δ", "95 % interval", "p", "p, Holm"):
        table.add_column(heading, justify="left" if heading in ("Arms", "") else "right")
    for row in comparison_rows(summary):
        names = (one_line(row.a), f"→ {one_line(row.b)}", "")
        for place, (name, measure, shown) in enumerate(zip(names, measures(summary.metric), row.measures)):
            last = place == len(row.measures) - 1
            cells = (shown.delta, shown.interval, shown.p, shown.p_holm)
            table.add_row(name, measure, *cells, end_section=last)
        if not row.measures:
            table.add_row(one_line(row.arms), "", NOT_COMPARED, end_section=True)
    return table


def comparisons_csv(summary: Summary) -> str:
    """One line per pair and measure, with full precision; empty cells could not be compared."""
    names = ["a", "b", "seeds", "sequences", "measure", "delta", "low", "high", "p_value", "p_value_holm"]
    records = []
    for c in summary.comparisons:
        pair = {"a": c.a, "b": c.b, "seeds": c.seeds, "sequences": c.sequences}
        columns = summary.metric.columns
        found = [*c.success, c.mean] if c.mean is not None else [None] * len(columns)
        for measure, difference in zip(columns, found, strict=True):
            records.append(pair | {"measure": measure} | _record(difference))
    return csv_text(names, records)


def comparisons_latex(summary: Summary) -> str:
    """A `tabular` for booktabs; p-values corrected by Holm in brackets."""
    titles = _titles(summary)
    headings = ["Arms"]
    for measure in measures(summary.metric):
        headings += [rf"$\Delta$ {measure}", "$p$ (Holm)"]
    rows = []
    for c in summary.comparisons:
        cells = [escaped(f"{titles[c.a]} → {titles[c.b]}")]
        for difference, scale, digits in _shown(c, summary.metric):
            low, high = difference.ci95
            edges = (scale * low, scale * high)
            cells.append(with_interval(scale * difference.delta, edges, digits, sign="+"))
            cells.append(f"${_latex_p(difference.p_value)}$ (${_latex_p(difference.p_value_holm)}$)")
        rows.append(cells if len(cells) > 1 else cells + ["--"] * (len(headings) - 1))
    return tabular(headings, [rows])


def comparisons_png(summary: Summary) -> bytes:
    """The comparisons as a PNG, ruled as in a paper."""
    headings = ["Arms"]
    for measure in measures(summary.metric):
        headings += [f"Δ {measure}", "p"]
    absent = [("–", "")] * (len(headings) - 1)
    rows = comparison_rows(summary)
    lines = []
    for row in rows:
        cells = [
            cell
            for shown in row.measures
            for cell in ((shown.delta, shown.interval), (shown.p, f"Holm {shown.p_holm}"))
        ]
        lines.append(Line(row.arms, cells or absent))
    note = methods(summary.metric)
    if not all(row.measures for row in rows):
        note += f" – = {NOT_COMPARED}."
    columns = [0.03, 0.44, 0.54, 0.635, 0.73, 0.83, 0.93]
    return ruled_png(headings, columns[: len(headings)], lines, note)


def signed(value: float, digits: int) -> str:
    """`+1.5`, `−0.2`: with a minus sign, not a hyphen."""
    return f"{value:+.{digits}f}".replace("-", "−")


def p_words(value: float) -> str:
    """A p-value as people read it; below 0.001 Monte-Carlo draws say no more than that."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _titles(summary: Summary) -> dict[str, str]:
    return {arm.arm: arm.title for arm in summary.arms}


def _shares(metric: Metric) -> tuple[int, ...]:
    """Places of the shares that are shown; one where the ceiling is 1."""
    return tuple(dict.fromkeys((0, metric.ceiling - 1)))


def _shown(comparison: Comparison, metric: Metric) -> Iterator[tuple[Difference, float, int]]:
    """(difference, scale, digits) of what is shown; nothing where the arms cannot be compared."""
    if comparison.mean is not None:
        for place in _shares(metric):
            yield comparison.success[place], 100, 1
        yield comparison.mean, 1, metric.digits


def _formatted(difference: Difference, scale: float, digits: int) -> Shown:
    return Shown(
        signed(scale * difference.delta, digits),
        _interval(difference.ci95, scale, digits),
        p_words(difference.p_value),
        p_words(difference.p_value_holm),
    )


def _interval(interval: Interval, scale: float, digits: int) -> str:
    low, high = (f"{scale * edge:.{digits}f}".replace("-", "−") for edge in interval)
    return f"{low} to {high}"


def _record(difference: Difference | None) -> dict[str, float]:
    if difference is None:
        return {}
    low, high = difference.ci95
    return {"delta": difference.delta, "low": low, "high": high,
            "p_value": difference.p_value, "p_value_holm": difference.p_value_holm}  # fmt: skip


def _latex_p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
