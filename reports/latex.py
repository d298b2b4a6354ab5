"""The headline table for a paper: LaTeX with booktabs, published rows apart from those measured here."""

from __future__ import annotations

from collections.abc import Sequence

from reports.published import SETTING, SOURCE, published_for
from reports.statistics import CHAIN_LENGTH, Interval
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
}


def table_latex(summary: Summary) -> str:
    """A `tabular` that needs the packages booktabs and array only. -- stands for what was not measured."""
    rows = [_measured(arm, arm.title) for arm in summary.arms]
    if summary.random_policy is not None:
        rows.append(_measured(summary.random_policy, "random actions"))
    published = [
        [escaped(row.method), *(f"{rate:.1f}" for rate in row.success), f"{row.avg_len:.2f}", "500"]
        for row in published_for(frozenset(arm.arm for arm in summary.arms))
    ]
    headings = ["Method", *(f"{k}/5" for k in range(1, CHAIN_LENGTH + 1)), "Avg. len.", "$n$"]
    note = f"Published, not comparable: {escaped(SOURCE)} ({escaped(SETTING)})"
    apart = [rf"\multicolumn{{{len(headings)}}}{{l}}{{\emph{{{note}}}}}"]
    return tabular(headings, [rows, [apart, *published]])


def tabular(headings: Sequence[str], groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Rows of cells in groups, with a rule between groups. Needs the package booktabs."""
    lines = [r"\begin{tabular}{l" + "r" * (len(headings) - 1) + "}", r"\toprule"]
    for group in ([headings], *groups):
        lines += [*(rf"{' & '.join(row)} \\" for row in group), r"\midrule"]
    return "\n".join([*lines[:-1], r"\bottomrule", r"\end{tabular}"]) + "\n"


def _measured(arm: ArmSummary, title: str) -> list[str]:
    """Values with half the width of their intervals: lower and upper deviations in LaTeX's own notation."""
    cells = ["--"] * (CHAIN_LENGTH + 1)
    if arm.success is not None and arm.success_ci95 is not None:
        cells = [
            with_interval(100 * rate, (100 * low, 100 * high), 1)
            for rate, (low, high) in zip(arm.success, arm.success_ci95, strict=True)
        ]
        if arm.avg_len is not None and arm.avg_len_ci95 is not None:
            cells.append(with_interval(arm.avg_len, arm.avg_len_ci95, 2))
    seeds = len(arm.evaluated_seeds)
    trials = rf"{arm.sequences} $\times$ {seeds}" if seeds > 1 else str(arm.sequences)
    return [escaped(title), *cells, trials]


def with_interval(value: float, interval: Interval, digits: int, sign: str = "") -> str:
    """The value with the way to each edge of its interval. sign: "+" to write that of a positive value too."""
    low, high = (abs(value - edge) for edge in interval)
    return f"${value:{sign}.{digits}f}_{{-{low:.{digits}f}}}^{{+{high:.{digits}f}}}$"


def escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))
