"""Success on sequences: the headline table, and by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.data import ReportData, TaskScore
from reports.figures import success_svg
from reports.section import Part
from reports.summary import Summary
from reports.table import not_comparable, table_rows


@dataclass(frozen=True)
class SuccessTable(Part):
    """The table that the terminal has too, with what was published beneath it, and bars."""

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
            "many_seeds": any(len(arm.seeds) > 1 for arm in summary.arms),
            "bars": Markup(bars) if bars else None,
        }


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
