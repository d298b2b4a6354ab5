"""A training step of an older build and of this one, in alternating pairs: its job, and a plain loop, in each.

    python -m benchmarks.train_builds [--old 753aa3a] [--arm recon] [--pairs 40]

Each build makes preset, job and plain loop as its own `benchmarks.train_throughput` does. A ratio is the older build's
cost by this one's job; `plain` is that of its plain loop, by the libraries' modules on one batch that lies ready.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.builds import ROOT, AnsweringBuild, older_tree, pairs_of, ratio_of
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "train_builds.json"

#: A process of one build: words are the preset and the arm. It measures once for each line that it reads: what, steps.
_MEASURE = """
import json, resource, sys, time
from benchmarks import train_throughput as own

made, loop, slice_of = {}, own._plain_loop, own.Context.run_slice

def plain_loop(*words):
    made["plain"] = loop(*words)
    return made["plain"]

def measured(run, steps):
    began, spent = time.perf_counter(), time.process_time()
    seconds = run(steps)
    return seconds, time.perf_counter() - began, time.process_time() - spent

def first_slice(context, steps):
    slice_of(context, steps)  # every picture has been composed
    made["job"] = lambda steps: slice_of(context, steps)
    made["plain"](2)
    for line in sys.stdin:
        what, steps = line.split()
        step, wall, cpu = measured(made[what], int(steps))
        # What a slice begins and ends with is no step's: its share of the time is taken for its share of the processor.
        each = {"ms": 1000 * step, "cpu_ms": 1000 * cpu * step / wall}
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("figure", json.dumps({**each, "memory_mib": memory}), flush=True)
    raise SystemExit

own._plain_loop, own.Context.run_slice = plain_loop, first_slice
sys.argv = ["train_throughput", "--preset", sys.argv[1], "--arm", sys.argv[2]]
own.main()
"""
_COSTS = ("ms", "cpu_ms", "memory_mib")


def main() -> None:
    """Print the ratios, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--arm", default="recon")
    parser.add_argument("--steps", type=int, default=6, help="of a measurement")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    with ExitStack() as stack:
        old = stack.enter_context(older_tree(options.old))
        # One after the other: both compose their pictures before they answer for the first time.
        builds: dict[Path, AnsweringBuild] = {}
        for tree in (old, ROOT):
            builds[tree] = stack.enter_context(
                AnsweringBuild(tree, _MEASURE, options.preset, options.arm, OMP_NUM_THREADS="1")
            )
            builds[tree].asked("job", 1)
        pairs = list(pairs_of(partial(_measured, builds, options.steps), old, options.pairs))
    found: dict[str, Any] = {}
    for against in ("plain", "job"):
        ratios = {
            cost: ratio_of([pair["old"][against][cost] / pair["new"]["job"][cost] for pair in pairs])
            for cost in _COSTS
        }
        medians = {
            side: round(statistics.median(pair[side][against]["cpu_ms"] for pair in pairs), 2)
            for side in pairs[0]
        }
        found[against] = {"ratios": ratios, "median_cpu_ms": medians}
        print(f"old {against} / new job: {json.dumps(ratios)}; medians {json.dumps(medians)}", flush=True)
    document = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    about = {"preset": options.preset, "old": options.old, "steps": options.steps, "threads": 1}
    document[options.arm] = {**about, **found, "pairs": pairs, "machine": describe()}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _measured(builds: Mapping[Path, AnsweringBuild], steps: int, tree: Path) -> dict[str, dict[str, float]]:
    return {what: builds[tree].asked(what, steps) for what in ("job", "plain")}


if __name__ == "__main__":
    main()
