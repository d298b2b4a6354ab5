"""Tables of docs/statistics.md, of benchmarks/results/inference.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from docs.generate_figures import REPOSITORY, percent, table

_MAIN = ("success_1", "avg_len")


@cache
def _document() -> Any:
    return json.loads((REPOSITORY / "benchmarks" / "results" / "inference.json").read_text(encoding="utf-8"))


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
    head = [
        "seeds",
        "scatter of the arms",
        "least",
        "most, with its upper 95 percent bound",
        "data sets x cells",
    ]
    return table(head, rows)


def coverage() -> str:
    """How often arms' intervals hold what they are of: the least of all cells."""
    rows = []
    for name in dict.fromkeys(cell["interval_of"] for cell in _document()["arms"]):
        cells = [cell for cell in _document()["arms"] if cell["interval_of"] == name]
        for seeds in dict.fromkeys(cell["seeds"] for cell in cells):
            mine = [cell["coverage"] for cell in cells if cell["seeds"] == seeds]
            shown = [(measure,) for measure in ("avg_len", "success_1", "success_2", "success_3")]
            rows.append([name, str(seeds), *(_least(mine, one) for one in shown)])
    return table(["interval of", "seeds", "average length", "1/5 (0.60)", "2/5 (0.15)", "3/5 (0.03)"], rows)


def one_seed_read_as_method() -> str:
    """How often two models of one method are called different, with the stored runs' scatter and 128 sequences."""
    cells = [one for one in _document()["one_seed"] if (one["sd_points"], one["sequences"]) == (6.5, 128)]
    return percent(cells[0]["called_different_length"]["share"])


def _least(cells: Sequence[Any], names: Sequence[str]) -> str:
    return percent(min(cell[name]["share"] for cell in cells for name in names))
