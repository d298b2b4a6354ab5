"""An ablation's report: files into `reports/`; the table on the terminal, or the JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db import naming, queries
from db.engine import Database
from db.shared_store import open_store
from errors import InvalidInput
from experiments.registry import experiment_of
from reports.comparisons import comparisons_terminal
from reports.data import ReportData
from reports.document import to_json
from reports.meaning import meaning
from reports.standing import is_whole, standing
from reports.summary import MARK, Summary, summarise
from reports.table import terminal_table
from reports.words import findings
from reports.write import write_report as write_files
from settings.faults import REFUSED, need_mistake
from settings.home import Home
from settings.ownership import refusal
from settings.shown import as_file_name, one_line
from settings.streams import say
from views.console import Console
from workers.records import found_in, records_of


@dataclass(frozen=True)
class Written:
    """A report whose files lie in `folder`."""

    data: ReportData
    summary: Summary
    folder: Path


def write_report(
    home: Home, database: Database, ablations: Sequence[str | int] = (), out: Path | None = None
) -> Written:
    """Write the report's files into `out`, or a folder in `reports/`.

    ablations: as `db.queries.ablation_row` takes them; none for the newest that was not cancelled, if there is one;
    several are compared. Raises InvalidInput
    for no ablation, for several that cannot be compared, and for a folder that cannot be written.
    """
    found = [records_of(database, ablation) for ablation in ablations or (_newest(database),)]
    experiment = experiment_of(found[0].ablation.config)
    if len(found) == 1:
        data = experiment.gather(found[0], found_in(open_store(home, database)))
    else:
        if any(experiment_of(records.ablation.config) is not experiment for records in found):
            raise InvalidInput("ablations of different experiments are not comparable")
        data = experiment.gather_together(found)
    summary = summarise(data)
    named = as_file_name(data.ablation)[:100]
    folder = out or home.reports / f"{data.ablation_id.replace(', ', '-')}-{named}"
    try:
        write_files(data, folder)
    except OSError as error:
        need_mistake(error)
        if error.errno in REFUSED:
            raise refusal("write", folder, "name another folder with --out") from None
        raise InvalidInput(f"cannot write the report into {folder}: {error.strerror or error}") from None
    return Written(data, summary, folder)


def _newest(database: Database) -> int | None:
    rows = queries.ablation_rows(database)
    alive = [row.id for row in rows if row.intent != naming.CANCELLED]
    return alive[-1] if alive else None


def print_report(report: Written, as_json: bool) -> None:
    """Its table on the terminal, or its JSON."""
    data, summary = report.data, report.summary
    if as_json:
        say(json.dumps(to_json(data, summary)))
        return
    console = Console(width=None if Console().is_terminal else 120)
    console.print(terminal_table(data, summary, console.width))
    if not is_whole(data):
        console.print(standing(data), markup=False, highlight=False)
    for sentence in (*findings(data, summary), *meaning(data, summary)):
        console.print(one_line(sentence), markup=False, highlight=False)
    if any(comparison.main is not None for comparison in summary.comparisons):
        console.print(comparisons_terminal(summary))
    measured = [arm for arm in summary.arms if arm.open_loop_error is not None]
    if measured:
        errors = ", ".join(
            f"{arm.title}{'' if arm.held_out_comparable else f' {MARK}'} {arm.open_loop_error:.4f}"
            for arm in measured
        )
        others = "" if all(arm.held_out_comparable for arm in measured) else f" ({MARK} on other frames)"
        console.print(
            one_line(f"Open-loop action error on the validation split: {errors}{others}"), markup=False
        )
    console.print(f"Report: {report.folder / 'report.html'}", soft_wrap=True, markup=False, highlight=False)
