"""A table as a picture, ruled as in a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from reports.figures import png_bytes
from settings.shown import one_line

_WIDTH_INCHES, _DPI = 9.2, 150
_ROW_INCHES, _NOTE_INCHES = 0.5, 0.14
#: Characters of the note's type that fit in a line.
_NOTE_CHARACTERS = 150
_SOFT = "0.45"


@dataclass(frozen=True)
class Line:
    """One row: its name, then (value, what stands below it in small) for each column. soft: drawn in grey."""

    name: str
    cells: Sequence[tuple[str, str]]
    soft: bool = False


def ruled_png(headings: Sequence[str], columns: Sequence[float], lines: Sequence[Line], note: str) -> bytes:
    """A PNG 1380 pixels wide. `columns`: where each is, 0..1; the first begins there, the others have their middle."""
    notes = textwrap.wrap(one_line(note), _NOTE_CHARACTERS)
    height = 0.76 + _ROW_INCHES * len(lines) + _NOTE_INCHES * len(notes)
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, height)
    top = height - 0.22
    for x, heading in zip(columns, headings, strict=True):
        axes.text(
            x, top, heading, ha="left" if x == columns[0] else "center", va="center", weight="bold", size=10
        )
    axes.hlines([top + 0.18, top - 0.2], 0.02, 0.98, colors="black", linewidths=[1.2, 0.7])
    for index, line in enumerate(lines):
        y = top - 0.45 - _ROW_INCHES * index
        colour = _SOFT if line.soft else "black"
        axes.text(
            columns[0],
            y,
            one_line(line.name),
            ha="left",
            va="center",
            size=10,
            color=colour,
            parse_math=False,
        )
        for x, (value, below) in zip(columns[1:], line.cells, strict=True):
            raised = y + (0.08 if below else 0)
            axes.text(x, raised, value, ha="center", va="center", size=10, color=colour)
            axes.text(x, y - 0.12, below, ha="center", va="center", size=7, color=_SOFT)
    bottom = top - 0.2 - _ROW_INCHES * len(lines)
    axes.hlines([bottom], 0.02, 0.98, colors="black", linewidths=[1.2])
    for index, part in enumerate(notes):
        y = bottom - 0.16 - _NOTE_INCHES * index
        axes.text(0.02, y, part, ha="left", va="center", size=7, color=_SOFT, parse_math=False)
    return png_bytes(figure)
