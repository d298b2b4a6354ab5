"""The report of an ablation as artifacts: page, JSON, CSV and picture of the table."""

from __future__ import annotations

from experiments.registry import experiment_of
from reports.write import write_report
from tasks.context import Draft, Finished, TaskContext
from tasks.results import ReportResult
from tasks.specs import ReportSpec


def run(context: TaskContext[ReportSpec]) -> Finished[ReportResult]:
    """Publishes `report` artifacts, named as their files."""
    folder, records = context.scratch / "report", context.records(context.spec.ablation)
    data = experiment_of(records.ablation.config).gather(records, context.find)
    files = write_report(data, folder)
    return Finished([Draft("report", path.name, path) for path in files.values()], result=ReportResult())
