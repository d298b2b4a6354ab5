"""Tables of docs/statistics.md, of benchmarks/results/inference.json: of those cells that are of the code here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from benchmarks.inference import RESULT, Part, current, parts
from docs.generate_figures import percent, table

_MAIN = ("success_1", "avg_len")
#: Data sets with an interval, of which a share is told.
_FEW = 100
_UNKNOWN = "a share that is not simulated"
#: Parts of the run, as people read them.
_PARTS = {
    "looked_at": "arms that looks ended", "arms": "single arms", "families": "three arms",
    "one_seed": "single models", "comparisons": "two arms",
}  # fmt: skip
#: Measures with the share that is simulated.
_MEASURES = {
    "avg_len": "average length", "success_1": "1/5 (0.60)", "success_2": "2/5 (0.15)", "success_3": "3/5 (0.03)",
    "success_4": "4/5 (0.006)", "success_5": "5/5 (0.001)",
}  # fmt: skip


@cache
def _document() -> dict[str, list[Any]]:
    """By part of the run, the cells whose figures are of the code that is here."""
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    return {part.name: current(part, found[part.name]) for part in _parts()}


@cache
def _parts() -> list[Part]:
    return parts(1, 1, 1)


def errors() -> str:
    """How often the same method is called different, by seeds: the least and the most of all cells."""
    rows = []
    for equal in (True, False):
        null = [
            cell for cell in _document()["comparisons"]
            if not cell["true_points"] and (len(set(cell["sd_points"])) == 1) == equal
        ]  # fmt: skip
        for seeds in dict.fromkeys(cell["seeds"] for cell in null):
            found = [
                cell["called_different"][name] for cell in null if cell["seeds"] == seeds for name in _MAIN
            ]
            most = max(found, key=lambda one: one["share"])
            least = percent(min(one["share"] for one in found))
            told = f"{percent(most['share'])} (at most {percent(most['high'])})"
            scatter = "alike" if equal else "2 and 10 points"
            count = f"{most['of']:,} x {len(found) // len(_MAIN)}"
            rows.append([seeds.replace("+", " and "), scatter, least, told, count])
    if not rows:
        return "(Not simulated with the code that is here.)"
    head = [
        "seeds",
        "scatter of the arms",
        "least",
        "most, with its upper 95 percent bound",
        "data sets x cells",
    ]
    return table(head, rows)


def coverage() -> str:
    """How often intervals hold what they are of: the least of all cells."""
    head = ["interval of", "seeds", *_MEASURES.values()]
    return table(head, ([name, seeds, *_least(cells)] for name, seeds, cells in _intervals() if cells))


def _intervals() -> Iterator[tuple[str, str, list[Any]]]:
    """What an interval is of, of how many seeds, and the coverage of each cell by measure; of parts that were run."""
    document = _document()
    yield "these weights", "1", _kept(document["one_seed"], "coverage")
    for name in dict.fromkeys(cell["interval_of"] for cell in document["arms"]):
        cells = [cell for cell in document["arms"] if cell["interval_of"] == name]
        for seeds in dict.fromkeys(cell["seeds"] for cell in cells):
            yield name, str(seeds), [cell["coverage"] for cell in cells if cell["seeds"] == seeds]
    yield "an arm that looks ended", "3 to 15", _kept(document["looked_at"], "coverage")
    yield "difference of two models", "1", _kept(document["one_seed"], "coverage_of_difference")
    alike = [cell for cell in document["comparisons"] if len(set(cell["sd_points"])) == 1]
    for seeds in dict.fromkeys(cell["seeds"] for cell in alike):
        mine = [cell for cell in alike if cell["seeds"] == seeds]
        yield "difference of methods", seeds.replace("+", " and "), _kept(mine, "interval_of_difference")


def _kept(cells: Iterable[Any], name: str) -> list[Any]:
    return [cell[name] for cell in cells if name in cell]


def one_seed_read_as_method() -> str:
    """How often two models of one method are called different, with the stored runs' scatter and 128 sequences."""
    cells = [one for one in _document()["one_seed"] if (one["sd_points"], one["sequences"]) == (6.5, 128)]
    return percent(cells[0]["called_different_length"]["share"]) if cells else _UNKNOWN


def family() -> str:
    """How often any of two arms has a mark where all three are the same method: the most of all cells."""
    found = max(_kept(_document()["families"], "any_mark"), key=lambda one: float(one["share"]), default=None)
    return _UNKNOWN if found is None else f"{percent(found['share'])} (at most {percent(found['high'])})"


def missing() -> str:
    """How much of the run is not there, by part."""
    counts = {
        part.name: (len(part.cells) - len(_document()[part.name]), len(part.cells)) for part in _parts()
    }
    told = [f"{count} of {of} of {_PARTS[name]}" for name, (count, of) in counts.items() if count]
    return f"cells are missing: {', '.join(told)}" if told else "no cell is missing"


def _least(cells: Iterable[Any]) -> Iterator[str]:
    """Of the cells in which enough intervals are printed."""
    known = list(cells)
    for name in _MEASURES:
        shares = [cell[name]["share"] for cell in known if cell[name].get("of", _FEW) >= _FEW]
        yield percent(min(shares)) if shares else "–"
