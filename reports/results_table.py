"""Every result as a line, for other statistics."""

from __future__ import annotations

from reports.csv_cells import csv_text
from reports.data import ReportData


def results_csv(data: ReportData) -> str:
    """A line for each sequence of each model: policy, arm, seed, episode (the sequence's place), score 0 to 1 (of the
    metric's ceiling), success (1 where the whole sequence was done), result (as the metric counts) and each share.

    Empty where nothing was played.
    """
    metric = data.metric
    shares = metric.columns[:-1]
    names = ["policy", "arm", "seed", "task", "episode", "score", "success", "result", *shares, "judged_by"]
    records = []
    for run in data.runs:
        for place, result in enumerate(run.results or ()):
            record = {
                "policy": f"{run.arm}_s{run.seed}",
                "arm": run.arm,
                "seed": run.seed,
                "task": metric.name,
                "episode": place,
                "score": result / metric.ceiling,
                "success": int(result == metric.ceiling),
                "result": result,
                "judged_by": run.judged_by,
            }
            records.append(
                record | {name: int(result >= k) for k, name in zip(metric.levels, shares, strict=True)}
            )
    return csv_text(names, records) if records else ""
