"""Of docs/does-it-help.md: the preset's table as CSV, and what its seeds could have found, by the report's own code."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

from docs.generate_figures import REPOSITORY
from experiments.design.spread import spreads_of_runs
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.data import ReportData, RunReport
from reports.limits import POWER
from reports.power import detectable
from reports.summary import Summary, summarise
from reports.table import table_csv

#: Of a run as they are stored.
_OF_RUN = ("train_steps", "open_loop_error", "held_out_loss", "slices", "device_seconds", "useful_seconds")
#: Of an arm, which the file has not run by run.
_OF_ARM = ("training_loss",)


@cache
def _document() -> Any:
    return json.loads((REPOSITORY / "docs" / "results" / "demo.json").read_text(encoding="utf-8"))


@cache
def _runs() -> tuple[RunReport, ...]:
    titles = {row["arm"]: row["title"] for row in _document()["arms"]}
    return tuple(
        RunReport(
            run["arm"], run["seed"], results=tuple(run["results"]), title=titles[run["arm"]],
            **{name: run[name] for name in _OF_RUN},
        )
        for arm in titles for run in _document()["runs"] if run["arm"] == arm
    )  # fmt: skip


def _summary() -> Summary:
    chance = _document()["random_policy"]
    assert chance["success"][0] == 0, "its results are known: all 0"
    data = ReportData("demo", TASKS_IN_A_ROW, _runs(), random_results=(0,) * chance["sequences"])
    found = summarise(data)
    stored = {row["arm"]: {name: row[name] for name in _OF_ARM} for row in _document()["arms"]}
    return replace(found, arms=tuple(replace(arm, **stored[arm.arm]) for arm in found.arms))


def csv() -> str:
    """`table.csv` of the preset's report."""
    return table_csv(_summary())


def detects() -> str:
    """The difference in average length that its seeds find in four of five ablations, in tasks."""
    known = spreads_of_runs(TASKS_IN_A_ROW, _runs())[TASKS_IN_A_ROW.name]
    seeds = len({run.seed for run in _runs()})
    return f"{detectable(known.of_model(len(_runs()[0].results or ())), (seeds, seeds), POWER):.2f} tasks"
