"""A second ablation, where the environment is there: an older build's waits and this one's, in alternating pairs.

    python -m benchmarks.second_ablation [--old COMMIT] [--pairs 6] [--preset smoke]

What `make ablation` runs once nothing is left to install, in a home of its own each time: seconds until the first job
has ended with what it made in the state, and until the command has; processor seconds of all its processes, and the
most memory that they had together (PSS, looked at once a second). The ratios are medians over pairs of this build's
figure by the older one's, with their 95 % intervals (bootstrap over pairs).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TypedDict

import psutil

from benchmarks.builds import ROOT, Ratio, older_tree, pairs_of, ratio_of
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "second_ablation.json"
_LOOK_SECONDS = 1.0


class Waits(TypedDict):
    """Of one ablation, in seconds and MiB."""

    first_job: float
    end: float
    processor: float
    memory: int


def ablation(preset: str, tree: Path) -> Waits:
    """One by the build in `tree`. Raises CalledProcessError where it does not succeed."""
    with tempfile.TemporaryDirectory(prefix="baton-second-") as folder:
        home = Path(folder) / "home"
        command = [sys.executable, "cli.py", "--home", str(home), "submit-ablation", "--preset", preset]
        before = _processor_seconds()
        started, began = time.time(), time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        memory = 0
        while True:
            try:
                code = process.wait(_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                memory = max(memory, _memory(process.pid))
        end = time.monotonic() - began
        if code:
            raise subprocess.CalledProcessError(code, command)
        with sqlite3.connect(home / "state.db") as state:
            (first,) = state.execute("SELECT min(finished_at) FROM job WHERE state = 'succeeded'").fetchone()
    return {
        "first_job": round(first - started, 2),
        "end": round(end, 2),
        "processor": round(_processor_seconds() - before, 1),
        "memory": memory,
    }


def _processor_seconds() -> float:
    """Of all processes below this one that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(pid: int) -> int:
    """MiB of a process and all below it: pages that several share are counted once."""
    total = 0
    try:
        process = psutil.Process(pid)
        several = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for one in several:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total // 2**20


def main() -> None:
    """Run the pairs, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    ablation(options.preset, ROOT)  # files are in memory, and bytecode is made
    pairs: list[dict[str, Waits]] = []
    with older_tree(options.old) as old:
        ablation(options.preset, old)
        for pair in pairs_of(partial(ablation, options.preset), old, options.pairs):
            pairs.append(pair)
            print(pair, flush=True)
    ratios: dict[str, Ratio] = {
        "first_job": ratio_of([pair["new"]["first_job"] / pair["old"]["first_job"] for pair in pairs]),
        "end": ratio_of([pair["new"]["end"] / pair["old"]["end"] for pair in pairs]),
        "processor": ratio_of([pair["new"]["processor"] / pair["old"]["processor"] for pair in pairs]),
        "memory": ratio_of([pair["new"]["memory"] / pair["old"]["memory"] for pair in pairs]),
    }
    document = {
        "old": options.old,
        "preset": options.preset,
        "pairs": pairs,
        "ratios": ratios,
        "machine": describe(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
