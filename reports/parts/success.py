"""Success on sequences: the headline table, and by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.data import ReportData, TaskScore
from reports.dots import success_svg
from reports.section import Part
from reports.summary import Summary
from reports.table import failed_lines, interval_captions, not_comparable, table_rows


@dataclass(frozen=True)
class SuccessTable(Part):
    """The table that the terminal has too, with what was published beneath it, and a dot for each
    seed."""

    template = "reports.parts/success_table.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        bars = success_svg(summary)
        return {
            "metric": data.metric,
            "headings": data.metric.headings,
            "rows": table_rows(summary),
            "arms": summary.arms,
            "random_policy": summary.random_policy,
            "published": data.published,
            "reason": data.closed_loop_reason,
            "warning": data.closed_loop_warning,
            "not_comparable": not_comparable(summary),
            "intervals": interval_captions(summary),
            "failed": failed_lines(summary),
            "seeds": _of_seeds(summary),
            "bars": Markup(bars) if bars else None,
        }


def _of_seeds(summary: Summary) -> list[tuple[str, list[int], list[tuple[str, str]]]]:
    """(title, seeds, (each seed's figures, standard deviation) by column) of the arms that have several."""
    rows = []
    for arm in summary.arms:
        if arm.estimates is None or len(arm.evaluated_seeds) < 2:
            continue
        cells = []
        for place, found in enumerate(arm.estimates.measures):
            scale, digits = summary.metric.scale_of(place)
            each = ", ".join(f"{scale * value:.{digits}f}" for value in found.of_seeds)
            cells.append((each, "" if found.spread is None else f"SD {scale * found.spread:.{digits}f}"))
        rows.append((arm.title, list(arm.evaluated_seeds), cells))
    return rows


@dataclass(frozen=True)
class SuccessByTask(Part):
    """How often each task was done where it was attempted, over the seeds of each arm."""

    template = "reports.parts/success_by_task.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        names = sorted({task for run in data.runs for task in run.tasks})
        tasks = [
            (
                name.replace("_", " "),
                [_sum(run.tasks.get(name) for run in runs) for runs in data.arms().values()],
            )
            for name in names
        ]
        return {"arms": summary.arms, "tasks": tasks} if tasks else None


def _sum(scores: Iterable[TaskScore | None]) -> TaskScore:
    known = [score for score in scores if score is not None]
    return TaskScore(sum(score.attempted for score in known), sum(score.succeeded for score in known))
