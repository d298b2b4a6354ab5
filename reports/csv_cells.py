"""CSV that spreadsheets take for what it is: text stays text, numbers stay numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from settings.shown import one_line

#: What begins a formula where a spreadsheet opens a CSV file, in their wide forms too.
_BEGINS_A_FORMULA = tuple("=+-@\t\r＝＋－＠")


def csv_text(names: Sequence[str], records: Iterable[Mapping[str, Any]]) -> str:
    """Lines under a heading of `names`; empty cells for what a record lacks or has as None."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in record.items()} for record in records)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """A text that would begin a formula gets an apostrophe before it, as one types it into a spreadsheet."""
    if not isinstance(value, str):
        return value
    return f"'{one_line(value)}" if value.startswith(_BEGINS_A_FORMULA) else one_line(value)
