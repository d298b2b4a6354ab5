"""Every pair of trained arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.comparisons import NOT_COMPARED, comparison_rows, measures, methods
from reports.data import ReportData
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
        return {
            "rows": rows,
            "measures": measures(summary.metric),
            "methods": methods(summary.metric),
            "not_compared": NOT_COMPARED,
        }
