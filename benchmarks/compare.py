"""Two builds of Baton beside each other: what each figure costs in the one and in the other, in alternating pairs.

    python -m benchmarks.compare [OLD] [NEW] [--only queue,home,...] [--pairs 10] [--data DIR]

OLD and NEW are commits (753aa3a, and this tree as it lies here). Each build comes out of the repository's history, in
a git worktree, and runs its own benchmark scripts. A figure is a cost, mostly seconds, and a ratio is that of the older
build by that of the newer one: above 1 the newer is better. Of each ratio the median over pairs and its 95 % interval
(bootstrap over pairs) is printed; the pairs are in the JSON, and groups that were measured before stay there. Ends with
1 where an interval lies below 0.95 as a whole: that figure has become worse.

Groups. `queue`: a no-op job through scheduler, bell, worker and commit. `home`: planning an ablation of 24,000
episodes, submitting it, claiming, status. `train`: a step of a training job of preset `quick`. `help`: `cli.py --help`.
`reading`: CALVIN's files, in seconds of the processor; both builds must have read the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import queue_builds, reading_builds
from benchmarks.builds import DATA, ROOT, older_tree, pairs_of, ratio_of, said_in
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "compare.json"
#: Below this a figure has become worse.
_WORSE = 0.95

_HOME = """
import json, tempfile
from pathlib import Path
from benchmarks.home_scale import measure
from settings.home import Home
with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
    figures = measure(Home(Path(folder) / "home"), 10_000, 24_000)
wanted = ("plan_seconds", "submit_seconds", "claim_ms_median", "status_seconds", "watch_seconds")
print("figure", json.dumps({name: figures[name] for name in wanted}))
"""

Costs = Mapping[str, float]


def _queue(tree: Path) -> Costs:
    return {"seconds a job": 1 / queue_builds.rate(1000, tree)}


def _home(tree: Path) -> Costs:
    found: dict[str, float] = json.loads(said_in(tree, _HOME))
    return found


def _train(tree: Path) -> Costs:
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        out = Path(folder) / "train.json"
        words = ["-m", "benchmarks.train_throughput", "--rounds", "4", "--steps", "6", "--out", str(out)]
        _run(tree, words)
        seconds = json.loads(out.read_text(encoding="utf-8"))["seconds_per_step"]["job"]
    return {"seconds a step": statistics.median(seconds)}


def _help(tree: Path) -> Costs:
    each = []
    for _ in range(5):
        began = time.perf_counter()
        _run(tree, ["cli.py", "--help"])
        each.append(time.perf_counter() - began)
    return {"seconds": statistics.median(each)}


def _reading(data: Path, read: set[str], tree: Path) -> Costs:
    found = reading_builds.measure(data, tree)
    read.add(found["sha256"])
    if len(read) > 1:
        raise SystemExit("the builds read different bytes")
    return {f"{name} seconds": seconds for name, seconds in found["seconds"].items()}


def _run(tree: Path, words: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], cwd=tree, env=environment, check=True, capture_output=True)


def main() -> int:
    """Run the pairs group by group, print the ratios, write the JSON after each group."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", nargs="?", default="753aa3a")
    parser.add_argument("new", nargs="?", help="by default the tree that this lies in")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", help="groups, with commas between them")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    groups: dict[str, Callable[[Path], Costs]] = {
        "help": _help,
        "queue": _queue,
        "home": _home,
        "reading": partial(_reading, options.data.resolve(), set()),
        "train": _train,
    }
    wanted = options.only.split(",") if options.only else list(groups)
    if unknown := [name for name in wanted if name not in groups]:
        parser.error(f"no group {', '.join(unknown)}: there are {', '.join(groups)}")
    worse = []
    with ExitStack() as stack:
        old = stack.enter_context(older_tree(options.old))
        new = stack.enter_context(older_tree(options.new)) if options.new else ROOT
        builds = _builds(old, new)
        for name in wanted:
            pairs = list(pairs_of(groups[name], old, options.pairs, new))
            ratios = {
                figure: ratio_of([pair["old"][figure] / pair["new"][figure] for pair in pairs])
                for figure in pairs[0]["old"]
            }
            for figure, ratio in ratios.items():
                print(f"{name}, {figure}: {ratio['ratio']} {ratio['interval_95']}", flush=True)
                worse += [f"{name}, {figure}"] if ratio["interval_95"][1] < _WORSE else []
            _keep(options.out, name, {"ratios": ratios, "pairs": pairs, "builds": builds})
    print(f"worse: {'; '.join(worse) or 'none'}")
    return 1 if worse else 0


def _builds(*trees: Path) -> list[str]:
    words = ["git", "describe", "--always", "--dirty"]
    return [subprocess.check_output(words, cwd=tree, text=True).strip() for tree in trees]


def _keep(file: Path, group: str, found: Mapping[str, object]) -> None:
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"groups": {}}
    document["groups"][group] = {**found, "machine": describe()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
