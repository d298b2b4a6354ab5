"""How often the report's own functions err, on simulated results: type I error, power and coverage of what is printed.

    python -m benchmarks.inference --sets 10000

writes benchmarks/results/inference.json, cell by cell: what a run that was ended has done is not done again, unless the
code that it asked is another by now. Exact bounds (Clopper & Pearson) are beside every share. The truths are those of
`benchmarks.simulated_results`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inference_cells import SDS, Cell, Json, arms, comparisons, families, looked_at, one_seed
from benchmarks.machine import describe
from benchmarks.simulated_results import RATES, SD_OF_SEQUENCES
from reports.looks import error_of_looks
from settings import files

RESULT = Path(__file__).parent / "results" / "inference.json"
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Part:
    """name: of the document's list; sets: data sets of a cell; asked: files whose code is, beside that of the cells."""

    name: str
    sets: int
    cells: list[Cell]
    asked: tuple[str, ...]

    @property
    def code(self) -> str:
        """A digest of what its figures depend on."""
        names = ("benchmarks/inference_cells.py", "benchmarks/simulated_results.py", *self.asked)
        content = b"".join((_REPOSITORY / name).read_bytes() for name in names)
        return hashlib.sha256(content).hexdigest()[:16]


def renewed(part: Part, seed: int, before: Mapping[str, Any]) -> Iterator[list[Json]]:
    """The rows of a part, after each cell; those of `before` that are of the same code, seed and sets stay."""
    abouts = [{**cell.about, "data_sets": part.sets, "seed": seed, "code": part.code} for cell in part.cells]
    rows = [_row(before.get(part.name, ()), about) for about in abouts]
    for place, (cell, about) in enumerate(zip(part.cells, abouts, strict=True)):
        if rows[place] is None:
            random = np.random.default_rng([seed, *part.name.encode(), place])
            rows[place] = {**about, **cell.simulate(part.sets, random)}
            print(part.name, f"{place + 1} of {len(rows)}", json.dumps(rows[place]), flush=True)
            yield [row for row in rows if row is not None]
    yield [row for row in rows if row is not None]


def _row(rows: Iterable[Json], about: Json) -> Json | None:
    """The one that is of this, if there is one."""
    return next((row for row in rows if all(row.get(name) == value for name, value in about.items())), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sets", type=int, default=10_000, help="data sets of a cell of comparisons and families"
    )
    parser.add_argument("--arm-sets", type=int, default=5_000, help="data sets of a cell of single arms")
    parser.add_argument("--one-seed-sets", type=int, default=400, help="data sets of a cell of one seed")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    began = time.monotonic()
    methods, weights = "reports/methods.py", "reports/statistics.py"
    own = ("reports/estimates.py", "reports/arm_intervals.py", methods)
    design = ("experiments/design/decision.py", "experiments/design/bounds.py")
    parts = [  # those that take seconds first
        Part("looked_at", asked.arm_sets // 2, list(looked_at()), (*own, *design)),
        Part("arms", asked.arm_sets, list(arms()), own),
        Part("families", asked.sets, list(families()), (methods,)),
        Part("one_seed", asked.one_seed_sets, list(one_seed()), (weights, *own)),
        Part("comparisons", asked.sets, list(comparisons()), (methods,)),
    ]
    before = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    document: Json = {
        "command": f"python -m benchmarks.inference --sets {asked.sets} --arm-sets {asked.arm_sets} "
        f"--one-seed-sets {asked.one_seed_sets} --seed {asked.seed}",
        "machine": describe(),
        "model": {"rates": RATES, "sd_of_sequences_at_1/5": SD_OF_SEQUENCES, "sds_between_seeds": SDS},
        "missing_cells": sum(len(part.cells) for part in parts),
        **{part.name: [] for part in parts},
        "looks": [
            {"seeds": looks, "called_different": error_of_looks(looks)}
            for looks in (((3, 3), (6, 6)), ((3, 3), (6, 3)), ((3, 3), (4, 4), (5, 5), (6, 6)))
        ],
    }
    for part in parts:
        for rows in renewed(part, asked.seed, before):
            document[part.name] = rows
            done = sum(len(document[one.name]) for one in parts)
            document["missing_cells"] = sum(len(one.cells) for one in parts) - done
            document["seconds_of_this_run"] = round(time.monotonic() - began)
            kept = {one.name: document[one.name] or before.get(one.name, []) for one in parts}
            files.write(asked.out, json.dumps({**document, **kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
