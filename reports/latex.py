"""The headline table for a paper: LaTeX with booktabs, published rows apart from those measured here."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data import ReportData
from reports.methods import Interval
from reports.metric import Metric
from reports.summary import ArmSummary, Summary
from reports.table import interval_captions, seed_lines
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
    """A `tabular` that needs the packages booktabs and array only, others' rows apart; --: was not measured.

    Below it, as comments, what its intervals are of and each seed's figures.
    """
    metric = data.metric
    rows = [_measured(arm, arm.shown, metric) for arm in summary.arms]
    if summary.random_policy is not None:
        rows.append(_measured(summary.random_policy, "random actions", metric))
    headings = [*metric.headings[:-1], "$n$"]
    said = "".join(f"% {one_line(text)}\n" for text in (interval_captions(summary), *seed_lines(summary)))
    if data.published is None:
        return tabular(headings, [rows]) + said
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
    return tabular(headings, [rows, [apart, *published]]) + said


def tabular(headings: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Rows of cells in groups, with a rule between groups. Needs the package booktabs."""
    lines = [r"\begin{tabular}{l" + "r" * (len(headings) - 1) + "}", r"\toprule"]
    for group in ([headings], *groups):
        lines += [*(rf"{' & '.join(row)} \\" for row in group), r"\midrule"]
    return "\n".join([*lines[:-1], r"\bottomrule", r"\end{tabular}", r"% needs \usepackage{booktabs}"]) + "\n"


def _measured(arm: ArmSummary, title: str, metric: Metric) -> list[str]:
    """Values with the ways to the edges of their intervals: lower and upper deviations in LaTeX's own notation; a value
    alone where nothing varies."""
    cells = ["--"] * len(metric.columns)
    if arm.estimates is not None:
        cells = []
        for place, found in enumerate(arm.estimates.measures):
            scale, digits = metric.scale_of(place)
            if found.interval is None:
                cells.append(f"${scale * found.value:.{digits}f}$")
                continue
            low, high = found.interval
            cells.append(with_interval(scale * found.value, (scale * low, scale * high), digits))
    seeds = len(arm.evaluated_seeds)
    trials = rf"{arm.sequences} $\times$ {seeds}" if seeds > 1 else str(arm.sequences)
    return [escaped(title), *cells, trials]


def with_interval(value: float, interval: Interval, digits: int, sign: str = "") -> str:
    """The value with the way to each edge of its interval. sign: "+" to write that of a positive value too."""
    low, high = (abs(value - edge) for edge in interval)
    told = f"{value:{sign}.{digits}f}"
    told = told if float(told) else told.lstrip("+-")
    return f"${told}_{{-{low:.{digits}f}}}^{{+{high:.{digits}f}}}$"


def escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))
