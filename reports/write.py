"""Write a report: page, JSON, the tables as CSV, picture and LaTeX, and the charts."""

from __future__ import annotations

import json
from pathlib import Path

from reports.comparisons import comparisons_csv, comparisons_latex, comparisons_png
from reports.data import ReportData
from reports.document import to_json
from reports.figure_files import figure_files
from reports.html import render_html
from reports.latex import table_latex
from reports.results_table import results_csv
from reports.summary import summarise
from reports.table import table_csv, table_png
from settings import files


def write_report(data: ReportData, folder: Path) -> dict[str, Path]:
    """Write report.html, report.json, table.csv, .png and .tex into `folder`; returns name -> path.

    With two arms and more comparisons.csv, .png and .tex too; where sequences were played, results.csv of them all;
    of every chart `reports.figure_files`.
    The same data give the same bytes. Each file appears whole (`settings.files`). Raises
    InvalidInput when results are out of range or the runs of an arm do not fit each other.
    """
    summary = summarise(data)
    document = json.dumps(to_json(data, summary), indent=1, ensure_ascii=False, allow_nan=False)
    contents = {
        "report.html": render_html(data, summary).encode(),
        "report.json": (document + "\n").encode(),
        "table.csv": table_csv(summary).encode(),
        "table.png": table_png(data, summary),
        "table.tex": table_latex(data, summary).encode(),
    }
    if summary.comparisons:
        contents |= {
            "comparisons.csv": comparisons_csv(summary).encode(),
            "comparisons.png": comparisons_png(summary),
            "comparisons.tex": comparisons_latex(summary).encode(),
        }
    if results := results_csv(data):
        contents["results.csv"] = results.encode()
    contents |= figure_files(data, summary)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        files.write(folder / name, content)
    return {name: folder / name for name in contents}
