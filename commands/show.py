"""Printing an ablation's report: the table on the terminal, or the JSON; files into `reports/`."""

from __future__ import annotations

import errno
import json
from pathlib import Path

from commands.console import Console
from commands.travelled import read_as_written
from db.engine import Database
from db.shared_store import open_store
from errors import InvalidInput
from reports.comparisons import comparisons_terminal
from reports.summary import summarise, to_json
from reports.table import terminal_table
from reports.write import write_report
from settings.home import Home
from settings.ownership import refusal
from workers.report_data import gather_report

_LONGEST_NAME_BYTES = 200


def print_report(
    home: Home, database: Database, ablation: str | None, as_json: bool, out: Path | None = None
) -> Path:
    """Write the report's files and print its table. Returns the folder: `out`, or one in `reports/`.

    Raises InvalidInput for no ablation, or a folder that cannot be written.
    """
    with read_as_written(database):
        data = gather_report(database, open_store(home, database), ablation)
        summary = summarise(data)
    folder = out or home.reports / f"{data.ablation_id}-{_file_name(data.ablation)}"
    try:
        with read_as_written(database):
            write_report(data, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise refusal("write", folder, "name another folder with --out") from None
        raise InvalidInput(f"cannot write the report into {folder}: {error.strerror or error}") from None
    if as_json:
        print(json.dumps(to_json(data, summary)))
    else:
        console = Console(width=None if Console().is_terminal else 120)
        console.print(terminal_table(data, summary))
        if any(comparison.avg_len is not None for comparison in summary.comparisons):
            console.print(comparisons_terminal(summary))
        errors = [f"{a.title} {a.open_loop_error:.4f}" for a in summary.arms if a.open_loop_error is not None]
        if errors:
            console.print(f"Open-loop action error on the validation split: {', '.join(errors)}")
        console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, markup=False, highlight=False)
    return folder


def _file_name(name: str) -> str:
    """What a file system takes, beside the ablation's number, also of a name that an earlier Baton let be longer."""
    plain = "".join(character if character.isalnum() or character in "-_." else "_" for character in name)
    return plain.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")
