"""Ranks of a divided job as processes beside each other, for benchmarks and trials."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.builds import ROOT
from benchmarks.machine import describe
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.reconvla import ReconVLA
from models.sizes import TOY
from models.weights import write_weights

#: In the folder of the ranks: the model's random weights, where they meet, and what each tells.
WEIGHTS = "weights.safetensors"


def measure_ranks(
    module: str,
    count: tuple[str, int],
    large: ReconVLAConfig,
    rank: Callable[[Path, ReconVLAConfig, int, int, int], dict[str, Any]],
    judged: Callable[[ReconVLAConfig, int, list[dict[str, Any]]], dict[str, Any]],
    about: Callable[[ReconVLAConfig], dict[str, Any]],
) -> None:
    """The command line of a benchmark of ranks: start some for each number of them, print what is judged of what they
    tell, write the JSON with that and `about` the model.

    module: of the benchmark. count: an option of its own and the default, passed to `rank` behind folder, model, number
    and number of all; `rank` is run in a process of its own.
    """
    name, default = count
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").split("\n\n")[0])
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument(f"--{name}", type=int, default=default, dest="count")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / f"{module}.json")
    parser.add_argument("--tiny", action="store_true", help="the toy: shows that it runs")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = TOY if arguments.tiny else large
    if arguments.rank is not None:
        told = rank(arguments.folder, config, arguments.rank, int(arguments.ranks), arguments.count)
        _file_of(arguments.folder, arguments.rank).write_text(json.dumps(told), encoding="utf-8")
        return
    document: dict[str, Any] = {**about(config), "by_ranks": {}}
    for ranks in map(int, arguments.ranks.split(",")):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_weights(weights_of(ReconVLA(config, 0)), folder / WEIGHTS)
            words = ["--folder", place, "--ranks", str(ranks), f"--{name}", str(arguments.count)]
            command = [sys.executable, "-m", f"benchmarks.{module}", *words, *["--tiny"] * arguments.tiny]
            run_ranks([*command, "--rank"], ranks)
            all_told = [json.loads(_file_of(folder, number).read_text()) for number in range(ranks)]
        document["by_ranks"][str(ranks)] = found = judged(config, ranks, all_told)
        print(json.dumps({ranks: found}), flush=True)
    document["machine"] = describe()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _file_of(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.json"


def run_ranks(command: Sequence[str], ranks: int) -> None:
    """`command` once for each rank, with its number behind it. Raises SystemExit where one of them fails; none is
    left."""
    processes = [subprocess.Popen([*command, str(rank)], cwd=ROOT) for rank in range(ranks)]
    try:
        if codes := [code for process in processes if (code := process.wait())]:
            raise SystemExit(f"ranks ended with {codes}")
    finally:
        for process in processes:
            process.kill()
