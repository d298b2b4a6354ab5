"""The headline table for a paper: LaTeX with booktabs, published rows apart from those measured here."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data import ReportData
from reports.metric import Metric
from reports.statistics import Interval
from reports.summary import ArmSummary, Summary
from settings.shown import one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "†": r"$^\dagger$",
}


def table_latex(data: ReportData, summary: Summary) -> str:
    """A `tabular` that needs the packages booktabs and array only, others' rows apart; --: was not measured."""
    metric = data.metric
    rows = [_measured(arm, arm.shown, metric) for arm in summary.arms]
    if summary.random_policy is not None:
        rows.append(_measured(summary.random_policy, "random actions", metric))
    headings = [*metric.headings[:-1], "$n$"]
    if data.published is None:
        return tabular(headings, [rows])
    published = [
        [
            escaped(row.method),
            *(f"{rate:.1f}" for rate in row.success),
            f"{row.mean:.{metric.digits}f}",
            str(row.sequences),
        ]
        for row in data.published.rows
    ]
    note = f"Published, not comparable: {escaped(data.published.source)} ({escaped(data.published.setting)})"
    apart = [rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{note}}}}}"]
    return tabular(headings, [rows, [apart, *published]])


def tabular(headings: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Rows of cells in groups, with a rule between groups. Needs the package booktabs."""
    lines = [r"\begin{tabular}{l" + "r" * (len(headings) - 1) + "}", r"\toprule"]
    for group in ([headings], *groups):
        lines += [*(rf"{' & '.join(row)} \\" for row in group), r"\midrule"]
    return "\n".join([*lines[:-1], r"\bottomrule", r"\end{tabular}"]) + "\n"


def _measured(arm: ArmSummary, title: str, metric: Metric) -> list[str]:
    """Values with half the width of their intervals: lower and upper deviations in LaTeX's own notation."""
    cells = ["--"] * len(metric.columns)
    if arm.success is not None and arm.success_ci95 is not None:
        cells = [
            with_interval(100 * rate, (100 * low, 100 * high), 1)
            for rate, (low, high) in zip(arm.success, arm.success_ci95, strict=True)
        ]
        if arm.mean is not None and arm.mean_ci95 is not None:
            cells.append(with_interval(arm.mean, arm.mean_ci95, metric.digits))
    seeds = len(arm.evaluated_seeds)
    trials = rf"{arm.sequences} $\times$ {seeds}" if seeds > 1 else str(arm.sequences)
    return [escaped(title), *cells, trials]


def with_interval(value: float, interval: Interval, digits: int, sign: str = "") -> str:
    """The value with the way to each edge of its interval. sign: "+" to write that of a positive value too."""
    low, high = (abs(value - edge) for edge in interval)
    return f"${value:{sign}.{digits}f}_{{-{low:.{digits}f}}}^{{+{high:.{digits}f}}}$"


def escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))
