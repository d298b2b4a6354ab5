"""Jobs a second through Baton as an older build did it and as this one does, in alternating pairs.

    python -m benchmarks.queue_builds [--old COMMIT] [--pairs 10] [--jobs 1000]

The older build comes out of the repository's history, in a git worktree. The ratio is the median over pairs of this
build's rate by the older one's, with its 95 % interval (bootstrap over pairs).
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from benchmarks.builds import older_tree, pairs_of, ratio_of, said_in
from benchmarks.machine import describe

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
        print("figure", measure("baton", server.url, measured.root, int(sys.argv[1])))
    finally:
        server.process.kill()
        server.process.wait()
"""


def rate(jobs: int, tree: Path) -> float:
    """Jobs a second of the build in `tree`. Raises RuntimeError."""
    return round(float(said_in(tree, _ROUND, str(jobs))), 1)


def main() -> None:
    """Run the pairs, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    pairs = []
    with older_tree(options.old) as old:
        for pair in pairs_of(partial(rate, options.jobs), old, options.pairs):
            pairs.append(pair)
            print(pair, flush=True)
    ratio = ratio_of([pair["new"] / pair["old"] for pair in pairs])
    document = {
        "old": options.old,
        "jobs": options.jobs,
        "pairs_jobs_per_second": pairs,
        **ratio,
        "machine": describe(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(ratio))


if __name__ == "__main__":
    main()
