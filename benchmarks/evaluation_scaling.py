"""Sequences an hour of one, two, ... processes that share the sequences of one evaluation.

Wall-clock time: wants an idle machine. Policy, scene and sequences are those of `evaluation_throughput`; outcomes
are compared sequence by sequence with those of one process.

python -m benchmarks.evaluation_scaling [--sequences 24] [--workers 1,2] [--assets DIR]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.evaluation_throughput import RESULTS, SCENE, Script, Where, record, together
from benchmarks.machine import describe


def rates(
    counts: Sequence[int], numbers: Sequence[int], script: Script, where: Where, expected: Mapping[int, Any]
) -> dict[str, Any]:
    """Wall-clock rates by number of workers. `efficiency` compares with the first count, which should be 1."""
    figures: dict[str, Any] = {}
    first = None
    for workers in counts:
        parts = together("ours", workers, numbers, script, where)
        seconds = max(part["ended"] for part in parts) - min(part["began"] for part in parts)
        rate = 3600 * len(numbers) / seconds
        first = rate / workers if first is None else first
        merged = {number: outcome for part in parts for number, outcome in part["outcomes"].items()}
        busy = sum(part["ended"] - part["began"] for part in parts) / (workers * seconds)
        figures[str(workers)] = {
            "sequences_per_hour": round(rate, 1),
            "efficiency": round(rate / (first * workers), 3),
            "busy": round(busy, 3),
            "same_outcomes": merged == expected,
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=24)
    parser.add_argument("--workers", default="1,2", help="numbers of processes")
    parser.add_argument("--assets", help="clone of calvin_env: CALVIN's own scenes")
    options = parser.parse_args()
    numbers, where = list(range(options.sequences)), (options.assets, None)
    script = record(numbers, options.assets)
    (alone,) = together("ours", 1, numbers, script, where)
    counts = [int(count) for count in options.workers.split(",")]
    report = {
        "machine": describe(),
        "scene": f"{'CALVIN' if options.assets else 'Baton'} {SCENE}",
        "sequences": len(numbers),
        "workers": rates(counts, numbers, script, where, alone["outcomes"]),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "evaluation_scaling.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))


if __name__ == "__main__":
    main()
