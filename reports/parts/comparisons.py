"""Every trained arm against the baseline: in success, and in held-out figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.comparisons import NOT_COMPARED, comparison_rows, measures, methods
from reports.data import ReportData
from reports.dots import differences_svg
from reports.methods import MethodDifference
from reports.numbers import interval_words, signed
from reports.section import Part
from reports.summary import Summary


@dataclass(frozen=True)
class Comparisons(Part):
    """Not shown of a single arm."""

    template = "reports.parts/comparisons.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        rows = comparison_rows(summary)
        if not rows:
            return None
        plot = differences_svg(summary)
        return {
            "rows": rows,
            "measures": measures(summary),
            "methods": methods(summary),
            "not_compared": NOT_COMPARED,
            "plot": Markup(plot) if plot else None,
            "losses": _loss_rows(summary),
            "one_seed": any(one.interval_of == "weights" for one in summary.comparisons),
        }


def _loss_rows(summary: Summary) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """(arms, seeds in common, (difference, interval) of the loss and of the action error), where there are such."""
    titles = {arm.arm: arm.title for arm in summary.arms}
    rows = []
    for one in summary.losses:
        known = [found for found in (one.held_out_loss, one.open_loop_error) if found is not None]
        if known:
            cells = [_cell(one.held_out_loss, 3), _cell(one.open_loop_error, 4)]
            rows.append((f"{titles[one.a]} → {titles[one.b]}", max(found.seeds[0] for found in known), cells))
    return rows


def _cell(found: MethodDifference | None, digits: int) -> tuple[str, str]:
    if found is None:
        return "–", ""
    interval = found.reason if found.interval is None else interval_words(found.interval, 1, digits)
    return signed(found.delta, digits), interval
