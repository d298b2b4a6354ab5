"""How often the report's own functions err, on simulated results: type I error, power and coverage of what is printed.

    python -m benchmarks.inference --sets 10000

writes benchmarks/results/inference.json, cell by cell: what a run that was ended has done is not done again, unless the
code that it asked is another by now; such cells are taken out, and `missing` names what is not there
(`benchmarks.inference_carry` keeps those of a change that changes no figure). Exact bounds (Clopper & Pearson) are
beside every share. The truths are those of `benchmarks.simulated_results`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.builds import ROOT
from benchmarks.inference_cells import SDS, Cell, Json, arms, comparisons, families, looked_at, one_seed
from benchmarks.machine import describe
from benchmarks.simulated_results import RATES, SD_OF_SEQUENCES
from reports.looks import error_of_looks
from settings import files

RESULT = Path(__file__).parent / "results" / "inference.json"
#: What every cell depends on.
_ALL_ASK = ("benchmarks/inference_cells.py", "benchmarks/simulated_results.py", "reports/level.py")


@dataclass(frozen=True)
class Part:
    """name: of the document's list; sets: data sets of a cell; asked: files whose code is, beside that of the cells."""

    name: str
    sets: int
    cells: list[Cell]
    asked: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        return (*_ALL_ASK, *self.asked)

    @property
    def code(self) -> str:
        """A digest of what its figures depend on."""
        content = b"".join((ROOT / name).read_bytes() for name in self.files)
        return hashlib.sha256(content).hexdigest()[:16]


def parts(sets: int, arm_sets: int, one_seed_sets: int) -> list[Part]:
    """The whole run; what takes seconds first."""
    methods, weights = "reports/methods.py", "reports/statistics.py"
    own = ("reports/estimates.py", "reports/arm_intervals.py", methods)
    design = ("experiments/design/decision.py", "experiments/design/bounds.py")
    return [
        Part("looked_at", arm_sets // 2, list(looked_at()), (*own, *design)),
        Part("arms", arm_sets, list(arms()), own),
        Part("families", sets, list(families()), (methods,)),
        Part("one_seed", one_seed_sets, list(one_seed()), (weights, *own)),
        Part("comparisons", sets, list(comparisons()), (methods,)),
    ]


def current(part: Part, rows: Iterable[Json]) -> list[Json]:
    """Those rows of a part whose figures are of the code that is here."""
    code = part.code
    return [row for row in rows if row.get("code") == code]


@dataclass(frozen=True)
class Run:
    """parts: with what each cell is about, in the order of the cells."""

    parts: Sequence[Part]
    seed: int

    def abouts(self, part: Part) -> list[Json]:
        own = {"data_sets": part.sets, "seed": self.seed, "code": part.code}
        return [{**cell.about, **own} for cell in part.cells]

    def known(self, part: Part, before: Mapping[str, Any]) -> list[Json | None]:
        """By cell, what an earlier run found of it with the same code, seed and number of data sets."""
        return [_row(before.get(part.name, ()), about) for about in self.abouts(part)]

    def told(self, rows: Mapping[str, Sequence[Json | None]]) -> Json:
        """rows: by the part's name, one for each of its cells, None of what is missing."""
        missing = {
            part.name: [
                cell.about for cell, row in zip(part.cells, rows[part.name], strict=True) if row is None
            ]
            for part in self.parts
        }
        return {
            "missing": {name: abouts for name, abouts in missing.items() if abouts},
            **{name: [row for row in of_part if row is not None] for name, of_part in rows.items()},
        }

    def simulated(self, part: Part, place: int) -> Json:
        random = np.random.default_rng([self.seed, *part.name.encode(), place])
        return {**self.abouts(part)[place], **part.cells[place].simulate(part.sets, random)}


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
    run = Run(parts(asked.sets, asked.arm_sets, asked.one_seed_sets), asked.seed)
    before = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    document: Json = {
        "command": f"python -m benchmarks.inference --sets {asked.sets} --arm-sets {asked.arm_sets} "
        f"--one-seed-sets {asked.one_seed_sets} --seed {asked.seed}",
        "machine": describe(),
        "model": {"rates": RATES, "sd_of_sequences_at_1/5": SD_OF_SEQUENCES, "sds_between_seeds": SDS},
        "looks": [
            {"seeds": looks, "called_different": error_of_looks(looks)}
            for looks in (((3, 3), (6, 6)), ((3, 3), (6, 3)), ((3, 3), (4, 4), (5, 5), (6, 6)))
        ],
        "carried": before.get("carried", []),
    }
    rows = {part.name: run.known(part, before) for part in run.parts}

    def write() -> None:
        seconds = {"seconds_of_this_run": round(time.monotonic() - began)}
        files.write(asked.out, json.dumps({**document, **seconds, **run.told(rows)}, indent=1) + "\n")

    write()
    for part in run.parts:
        for place, row in enumerate(rows[part.name]):
            if row is None:
                rows[part.name][place] = found = run.simulated(part, place)
                print(part.name, f"{place + 1} of {len(part.cells)}", json.dumps(found), flush=True)
                write()


if __name__ == "__main__":
    main()
