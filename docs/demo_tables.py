"""Of docs/does-it-help.md: the preset's table as CSV, and what its seeds could have found, by the report's own code."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

from docs.generate_figures import REPOSITORY
from docs.generate_pictures import report_of
from reports.limits import POWER
from reports.power import detectable
from reports.summary import summarise
from reports.table import table_csv

#: Of an arm, which the file has not run by run.
_OF_ARM = ("training_loss",)


@cache
def _document() -> Any:
    return json.loads((REPOSITORY / "docs" / "results" / "demo.json").read_text(encoding="utf-8"))


def csv() -> str:
    """`table.csv` of the preset's report."""
    assert _document()["random_policy"]["success"][0] == 0, "its results are known: all 0"
    found = summarise(report_of(_document()))
    stored = {row["arm"]: {name: row[name] for name in _OF_ARM} for row in _document()["arms"]}
    return table_csv(replace(found, arms=tuple(replace(arm, **stored[arm.arm]) for arm in found.arms)))


def detects() -> str:
    """The difference in average length that its seeds find in four of five ablations, in tasks."""
    data = report_of(_document())
    known, runs = data.scatter[data.metric.name], data.runs
    seeds = len({run.seed for run in runs})
    return f"{detectable(known.of_model(len(runs[0].results or ())), (seeds, seeds), POWER):.2f} tasks"
