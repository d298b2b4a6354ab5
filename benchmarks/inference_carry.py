"""Cells of `benchmarks.inference` that an older build simulated, kept where a change of the code changed no figure.

    python -m benchmarks.inference_carry COMMIT

A cell is drawn from its own seed, so the same code gives the same figures to the last bit. Every cell of a part is
simulated with few data sets by COMMIT and by the code that is here. Where all rows are equal, the stored rows of that
part that are of COMMIT's code become rows of this one; `carried` in the document says so, with the number of data sets.
Exit code 1 where a part differs, whose cells are to be simulated again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.builds import ROOT, older_tree, said_in
from benchmarks.inference import RESULT, Json
from settings import files

#: Data sets of a cell: of comparisons and families, of arms, of one seed.
SETS = (40, 20, 2)

_ASKED = """
import json, sys
from benchmarks.inference import Run, parts
run = Run(parts(*map(int, sys.argv[1:4])), int(sys.argv[4]))
found = {part.name: {"code": part.code, "rows": [run.simulated(part, place) for place in range(len(part.cells))]}
         for part in run.parts}
print("figure", json.dumps(found))
"""


def simulated(tree: Path, seed: int) -> dict[str, Any]:
    """By part, its code and the rows of all its cells, of few data sets."""
    found: dict[str, Any] = json.loads(said_in(tree, _ASKED, *map(str, (*SETS, seed))))
    return found


def carried(document: Json, old: dict[str, Any], new: dict[str, Any]) -> tuple[Json, list[str]]:
    """The document with the rows of the old code as rows of the new, and the parts in which these differ."""
    rows, differ = dict(document), []
    for name, here in new.items():
        there = old.get(name, {"code": "", "rows": []})
        if [{**row, "code": ""} for row in there["rows"]] != [{**row, "code": ""} for row in here["rows"]]:
            differ.append(name)
            continue
        rows[name] = [
            {**row, "code": here["code"]} if row["code"] == there["code"] else row
            for row in document.get(name, ())
        ]
    return rows, differ


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    document: Json = json.loads(asked.out.read_text(encoding="utf-8"))
    with older_tree(asked.commit) as tree:
        old = simulated(tree, asked.seed)
    rows, differ = carried(document, old, simulated(ROOT, asked.seed))
    same = [name for name in old if name not in differ]
    entry = {"commit": asked.commit, "parts": same, "data_sets_of_a_cell": SETS}
    missing = {name: cells for name, cells in document["missing"].items() if name in differ}
    rows |= {"missing": missing, "carried": [*document.get("carried", ()), entry]}
    files.write(asked.out, json.dumps(rows, indent=1) + "\n")
    print(
        f"the same to the last bit: {', '.join(same) or 'none'}; to be simulated again: {', '.join(differ) or 'none'}"
    )
    return int(bool(differ))


if __name__ == "__main__":
    raise SystemExit(main())
