"""Action chunks of a trained toy in an older build and in this one, in alternating pairs: the same tokens.

    python -m benchmarks.decode_builds [--old 753aa3a] [--preset quick] [--pairs 10]

The toy of a preset is trained on demonstrations of the expert and asked on frames of others. Each build gets the same
checkpoint, pictures and prompts, alone and in batches of eight, padded as an evaluation pads them. A ratio is the older
build's time by this one's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.builds import ROOT, AnsweringBuild, older_tree, pairs_of, ratio_of
from benchmarks.machine import describe
from benchmarks.trained_toy import trained_toy

_RESULT = Path(__file__).parent / "results" / "decode_builds.json"

#: A process of one build: words are the checkpoint's folder and the questions. It measures once for each line that it
#: reads: rows of a batch, batches that are timed.
_MEASURE = """
import hashlib, json, resource, sys, time
import numpy as np, torch
from models.generation import generate_actions
from models.reconvla import ReconVLA
folder, questions = sys.argv[1], np.load(sys.argv[2])
torch.set_num_threads(1)
model = ReconVLA.from_pretrained(folder).eval()
images, prompts, ends = (questions[name] for name in ("images", "prompts", "ends"))
for line in sys.stdin:
    rows, batches = map(int, line.split())
    seconds, digest = [], hashlib.sha256()
    for number in range(batches + 2):
        chosen = [(number * rows + row) % len(images) for row in range(rows)]
        asked = [prompts[row, : ends[row]] for row in chosen]
        began, spent = time.perf_counter(), time.process_time()
        made = generate_actions(model, [images[row] for row in chosen], asked, length=int(questions["length"]))
        if number > 1:  # the first ones warm up
            seconds.append((time.perf_counter() - began, time.process_time() - spent))
        digest.update(made.token_ids.tobytes())
    wall, cpu = np.median(seconds, axis=0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"ms": wall * 1000, "cpu_ms": cpu * 1000, "memory_mib": memory, "tokens": digest.hexdigest()}
    print("figure", json.dumps(figures), flush=True)
"""


def main() -> None:
    """Print the ratios, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--demonstrations", type=int, default=2, help="of each task")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--toy", type=Path, help="a folder that keeps it, and is read where it has one")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=160, help="of a measurement")
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="baton-bench-"))
        old = stack.enter_context(older_tree(options.old))
        toy = trained_toy(options.toy or Path(folder), options.preset, options.demonstrations, options.steps)
        builds = {
            tree: stack.enter_context(AnsweringBuild(tree, _MEASURE, str(toy.model), str(toy.questions)))
            for tree in (old, ROOT)
        }
        for rows in (1, 8):
            measure = partial(_measured, builds, rows, options.chunks // rows)
            pairs = list(pairs_of(measure, old, options.pairs))
            if len({pair[side]["tokens"] for pair in pairs for side in pair}) > 1:
                raise SystemExit("the builds give different tokens")
            ratios = {
                name: ratio_of([pair["old"][name] / pair["new"][name] for pair in pairs])
                for name in ("ms", "cpu_ms", "memory_mib")
            }
            print(f"batch of {rows}: {ratios}", flush=True)
            medians = {
                side: round(statistics.median(pair[side]["cpu_ms"] for pair in pairs), 2) for side in pairs[0]
            }
            found[f"batch_{rows}"] = {"ratios": ratios, "median_cpu_ms": medians, "pairs": pairs}
    about = {"preset": options.preset, "steps": options.steps, "old": options.old, "threads": 1}
    document = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    document[options.preset] = {**about, **found, "machine": describe()}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _measured(builds: Mapping[Path, AnsweringBuild], rows: int, batches: int, tree: Path) -> dict[str, Any]:
    return builds[tree].asked(rows, max(batches, 1))


if __name__ == "__main__":
    main()
