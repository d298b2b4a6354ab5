"""Jobs a second through Baton as an older build did it and as this one does, in alternating pairs.

    python -m benchmarks.queue_builds [--old COMMIT] [--pairs 10] [--jobs 1000]

The older build comes out of the repository's history, in a git worktree. The ratio is the median over pairs of this
build's rate by the older one's, with its 95 % interval (bootstrap over pairs).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe

_ROOT = Path(__file__).resolve().parent.parent
_RESULT = Path(__file__).parent / "results" / "queue_builds.json"

#: Run in either tree: both builds have these names. The schema is made before the processes that are measured begin.
_ROUND = """
import sys, tempfile
from pathlib import Path
from benchmarks.queue_throughput import measure
from db.migrate import open_state
from settings.home import Home
from workers.broker import start_private
with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
    home = Home(Path(folder) / "broker")
    home.create()
    server = start_private(home, home.logs / "redis.log")
    try:
        measured = Home(Path(folder) / "home")
        measured.create()
        open_state(measured).close()
        print("rate", measure("baton", server.url, measured.root, int(sys.argv[1])))
    finally:
        server.process.kill()
        server.process.wait()
"""


def rate(tree: Path, jobs: int) -> float:
    """Jobs a second of the build in `tree`. Raises RuntimeError."""
    done = subprocess.run(
        [sys.executable, "-c", _ROUND, str(jobs)],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("rate "):
            return float(line.split()[1])
    raise RuntimeError(f"{tree}: {(done.stdout + done.stderr)[-2000:]}")


def interval(ratios: list[float]) -> tuple[float, float]:
    """95 % of the medians of 10,000 resamples."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(10_000))
    return medians[250], medians[9749]


def main() -> None:
    """Run the pairs, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    pairs = []
    with tempfile.TemporaryDirectory(prefix="baton-old-") as folder:
        old = Path(folder) / "old"
        git = ["git", "-C", str(_ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(old), arguments.old], check=True)
        try:
            for number in range(arguments.pairs):
                order = [("old", old), ("new", _ROOT)][:: 1 if number % 2 else -1]
                pairs.append({side: round(rate(tree, arguments.jobs), 1) for side, tree in order})
                print(pairs[-1], flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(old)], check=True)
    ratios = [pair["new"] / pair["old"] for pair in pairs]
    document = {
        "old": arguments.old,
        "jobs": arguments.jobs,
        "pairs_jobs_per_second": pairs,
        "ratio": round(statistics.median(ratios), 3),
        "interval_95": [round(bound, 3) for bound in interval(ratios)],
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: document[key] for key in ("ratio", "interval_95")}))


if __name__ == "__main__":
    main()
