"""Another experiment's report: a metric of its own, up to 3, and a part of its own, its template beside this file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from errors import InvalidInput
from reports.comparisons import comparison_rows, comparisons_terminal, measures
from reports.data import ReportData, RunReport
from reports.document import to_json
from reports.metric import Metric
from reports.parts.comparisons import Comparisons
from reports.parts.success import SuccessTable
from reports.published import Published, PublishedRow
from reports.section import Part, Section
from reports.summary import ArmSummary, Summary, summarise
from reports.table import terminal_table
from reports.write import write_report

HEIGHT = Metric("mean_height", "cubes stacked", 3, "mean height", "height", digits=1)


@dataclass(frozen=True)
class Towers(Part):
    """The tallest tower."""

    template = "tests.reports/toy.html"

    cubes: int

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        return {"name": data.ablation, "cubes": self.cubes, "mean": summary.arms[0].mean}

    def document(self) -> Mapping[str, object]:
        return {"tallest": self.cubes}

    def of_arm(self, arm: ArmSummary) -> Mapping[str, object]:
        return {"best": arm.arm == "tall"}

    def of_run(self, run: RunReport) -> Mapping[str, object]:
        return {"cubes": sum(run.results or ())}


def toy(*parts: Part) -> ReportData:
    runs = (
        RunReport("small", 0, 5, results=(0, 1, 1, 2, 0, 1, 0, 1)),
        RunReport("tall", 0, 5, results=(3, 3, 1, 2, 3, 1, 0, 1)),
    )
    return ReportData(
        "<towers>",
        HEIGHT,
        runs,
        (
            Section("towers", "Towers", parts or (Towers(3),)),
            Section("heights", "Heights", (SuccessTable(),)),
            Section("pairs", "Pairs", (Comparisons(),)),
        ),
        random_results=(0,) * 8,
        order=("tallest", "ablation"),
    )


def test_its_page_has_its_sections_in_their_order(tmp_path: Path) -> None:
    page = write_report(toy(), tmp_path)["report.html"].read_text()
    places = [page.index(f'<h2 id="{anchor}">') for anchor in ("towers", "heights", "pairs")]
    assert places == sorted(places) and page.count("<h2") == 3
    assert "<p>Tallest tower of &lt;towers&gt;: 3 cubes, 0.75 on average.</p>" in page
    assert "at least k of 3 cubes stacked, and their average number" in page
    assert ">3/3</th>" in page and ">Height</th>" in page and "random actions at 1/3" in page
    assert "/5" not in page and "Avg. len." not in page and "ublished" not in page.split("</style>")[1]


def test_its_document_and_tables_are_of_its_metric(tmp_path: Path) -> None:
    files = write_report(toy(), tmp_path)
    document = json.loads(files["report.json"].read_text())
    assert list(document)[:2] == ["tallest", "ablation"] and document["tallest"] == 3
    small, tall = document["arms"]
    assert tall["success"] == [7 / 8, 4 / 8, 3 / 8] and tall["mean_height"] == 14 / 8
    assert len(tall["mean_height_ci95"]) == 2 and (small["best"], tall["best"]) == (False, True)
    assert [run["cubes"] for run in document["runs"]] == [6, 14]
    (pair,) = document["comparisons"]
    assert pair["delta_success3"] == 3 / 8 and pair["delta_mean_height"] == 1.0
    records = list(csv.DictReader(io.StringIO(files["table.csv"].read_text())))
    assert [record["success_3"] for record in records] == ["0.0", "0.375", "0.0"]
    assert float(records[1]["mean_height"]) == 1.75 and "success_4" not in records[0]
    measured = csv.DictReader(io.StringIO(files["comparisons.csv"].read_text()))
    assert [record["measure"] for record in measured] == [*(f"success_{k}" for k in (1, 2, 3)), "mean_height"]
    assert files["table.tex"].read_text().startswith(r"\begin{tabular}{lrrrrr}")
    for name in ("table.png", "comparisons.png"):
        assert Image.open(files[name]).size[0] == 1380


def test_its_tables_on_the_terminal() -> None:
    data = toy()
    summary = summarise(data)
    console = Console(file=io.StringIO(), width=100)
    console.print(terminal_table(data, summary))
    console.print(comparisons_terminal(summary))
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "3/3" in text and "+1.0" in text and "height is the primary measure" in text and "5/5" not in text


def test_a_metric_of_one_has_one_share() -> None:
    """It either works or does not: the first share is the last."""
    metric = Metric("works", "successes", 1, "mean", "mean")
    runs = tuple(RunReport(arm, 0, 1, results=(0, 1, 1)) for arm in ("a", "b"))
    summary = summarise(replace(toy(), metric=metric, runs=runs))
    [row] = comparison_rows(summary)
    assert measures(summary) == ("mean", "1/1") and len(row.measures) == 2
    with pytest.raises(InvalidInput, match="ceiling is 0"):
        replace(metric, ceiling=0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"0\.\.3, found 0\.\.4"):
        summarise(replace(toy(), runs=(RunReport("a", 0, 1, results=(0, 4)),)))
    with pytest.raises(InvalidInput, match="give the entries best"):
        to_json(toy(Towers(3), Towers(2)))
    with pytest.raises(InvalidInput, match="share an anchor"):
        replace(toy(), sections=(Section("x", "X", ()), Section("x", "Y", ())))
    theirs = Published("a paper", "a setting", "other cubes", (PublishedRow("theirs", (1.0,) * 5, 5.0, 9),))
    with pytest.raises(InvalidInput, match=r"another ceiling: \['theirs'\]"):
        replace(toy(), published=theirs)
