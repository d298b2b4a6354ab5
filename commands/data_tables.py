"""What `data check` prints of a split at a glance, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from settings.shown import readable
from views.console import Console

if TYPE_CHECKING:
    from calvin.overview import Lengths, Overview

_WIDTH = 120


def as_json(overview: Overview) -> dict[str, Any]:
    """Of one split. ranges: by array, in the order of its numbers; calvin: null where CALVIN's own are not known."""
    ranges: dict[str, list[dict[str, Any]]] = {}
    for one in overview.ranges:
        calvin = None if one.low is None else [one.low, one.high]
        ranges.setdefault(one.array, []).append(
            {"name": one.name, "range": [one.least, one.most], "calvin": calvin, "odd": one.is_odd}
        )
    return {
        "tasks": {
            row.task: {
                "demonstrations": row.demonstrations,
                "scenes": dict(row.scenes),
                "lengths": asdict(row.lengths),
            }
            for row in overview.tasks
        },
        "scenes": {scene: dict(by) for scene, by in overview.scenes.items()},
        "lengths": None if overview.lengths is None else asdict(overview.lengths),
        "drawn_like": dict(overview.drawn_like),
        "ranges": ranges,
        "odd": list(overview.odd),
    }


def print_overview(name: str, overview: Overview) -> None:
    """name: of the split."""
    if overview.lengths is None:
        return
    _console().print(_demonstrations(name, overview, overview.lengths))


def print_ranges(overviews: Mapping[str, Overview]) -> None:
    """By split: those of both side by side."""
    found = {(one.array, one.number): one for overview in overviews.values() for one in overview.ranges}
    if not found:
        return
    table = _empty("ranges", ("array", "number"), (*overviews, "CALVIN's", "odd"))
    by_split = [{(one.array, one.number): one for one in overview.ranges} for overview in overviews.values()]
    before = None
    for (array, number), one in found.items():
        if before not in (None, array):
            table.add_section()
        calvin = "" if one.low is None or one.high is None else _told(one.low, one.high)
        here = [ranges.get((array, number)) for ranges in by_split]
        table.add_row(
            "" if array == before else array,
            f"{number} {one.name}",
            *("" if range_ is None else _told(range_.least, range_.most) for range_ in here),
            calvin,
            "odd" if any(range_ is not None and range_.is_odd for range_ in here) else "",
        )
        before = array
    _console().print(table)


def _demonstrations(name: str, overview: Overview, lengths: Lengths) -> Table:
    table = _empty(f"{name}: demonstrations", ("task",), (*overview.scenes, "all", "frames", "median"))
    for row in overview.tasks:
        counts = [_count(row.scenes.get(scene, 0)) for scene in overview.scenes]
        table.add_row(readable(row.task), *counts, str(row.demonstrations), *_frames(row.lengths))
    totals = [sum(by.values()) for by in overview.scenes.values()]
    table.add_section()
    table.add_row("all", *map(_count, totals), str(sum(totals)), *_frames(lengths))
    return table


def _empty(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in left:
        table.add_column(column)
    for column in right:
        table.add_column(column, justify="right")
    return table


def _frames(lengths: Lengths) -> tuple[str, str]:
    return f"{lengths.shortest}-{lengths.longest}", f"{lengths.median:g}"


def _count(count: int) -> str:
    return str(count) if count else ""


def _told(least: float, most: float) -> str:
    return f"{least:.4g} to {most:.4g}"


def _console() -> Console:
    return Console(width=None if Console().is_terminal else _WIDTH)
