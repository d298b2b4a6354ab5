"""Reading LeRobot sets as the ingest job does it, and as lerobot 0.4.4's own reader does, in alternating pairs.

    python -m benchmarks.lerobot_reading --python PYTHON [--data DIR] [--pairs 10] [--episodes 9]

PYTHON: an interpreter with lerobot, in an environment of its own (`trials/lerobot_reader.py` says how). The same frames
of the same set, version 3.0 with float32 numbers, once with PNG in its tables and once with AV1 films, both written by
`data convert` from DIR, CALVIN's files (without true boxes, which no public set has); of all episodes in their order,
and in a shuffled one (`shuffled`: an ingest job reads whole demonstrations; `frames shuffled`, each frame by itself, is
no path of Baton's). One process each with one thread, whose files are in the page cache. The ratio is the median over
pairs of lerobot's processor seconds by Baton's, with its 95 % interval: above 1 Baton is faster.

`png v2.1`: the same PNGs as a set of version 2.1, where each episode has a table of its own, read by Baton in pairs
with version 3.0: above 1 version 2.1 takes less.

`first_step`: from opening npz, PNG and films to the end of the first training step of the smoke preset's baseline, with
all demonstrations, in one process that has imported everything; and the bytes that were read of files (`rchar`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.builds import DATA, ROOT, ratio_of
from benchmarks.machine import describe
from calvin.lerobot_format.plain_png import unpacker

_RESULT = Path(__file__).parent / "results" / "lerobot_reading.json"
FORMS = {"png": ("--lossless", "--float32"), "film": ()}
OLDER = "png v2.1"
ORDERS = ("in order", "shuffled", "frames shuffled")

#: Answers each line, which names episodes or frames of them, with the seconds that reading these took.
_OURS = """
import json, sys, time
from pathlib import Path
from calvin.split import TRAINING, Reading, open_split, settled

split = open_split(Path(sys.argv[1]), TRAINING, Reading(validation_episodes="none"))
split = open_split(Path(sys.argv[1]), TRAINING, settled(split, Reading()))
print(json.dumps({"lengths": [d.end - d.start + 1 for d in split.demonstrations]}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    began, own = time.perf_counter(), time.process_time()
    for number, place in asked:
        demonstration = split.demonstrations[number]
        if place is None:
            split.read(demonstration)
        else:
            split.read_frame(demonstration.start + place)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - own}), flush=True)
"""

_FIRST_STEP = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
import av, pyarrow.parquet, torch
import tasks.data.index, tasks.data.ingest, tasks.gaze.run, tasks.train.run
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tasks.local_context import run_body
from tasks.registry import KINDS

def read_bytes():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])

root, folder = sys.argv[1], Path(sys.argv[2])
settings = ("arms=[baseline]", "seeds=[0]", "training.steps=1")
config = load_config("smoke", None, settings, data__root=root)
before, began, own = read_bytes(), time.perf_counter(), time.process_time()
plan = Planner(config).plan()
opened = time.perf_counter() - began
jobs = {job.key: job for job in plan.jobs}
(train,) = [job for job in plan.jobs if job.kind == "train"]
made = {}

def files_of(key):
    if key not in made:
        job = jobs[key]
        inputs = [replace(file, role=need.role) for need in job.needs for file in files_of(need.key)]
        kind = KINDS[job.kind]
        made[key] = run_body(kind.load_body(), folder / key, kind.spec_of(job.spec), inputs)
    return made[key]

files_of(train.key)
print(json.dumps({
    "opened_seconds": opened,
    "seconds": time.perf_counter() - began,
    "cpu_seconds": time.process_time() - own,
    "bytes_read": read_bytes() - before,
}))
"""


class _Reader:
    """A process that reads what a line of JSON says, and tells in how many seconds."""

    def __init__(self, command: Sequence[str]) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **threads, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip

    def said(self) -> dict[str, Any]:
        """The next line of JSON. Raises RuntimeError where it ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise RuntimeError(f"a reader ended with {self._process.wait()}")

    def read(self, what: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self.said()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Run the pairs, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=os.environ.get("BATON_LEROBOT_PYTHON"))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=None, help="the first ones alone [default: all]")
    parser.add_argument("--only", choices=("pairs", "first_step", "versions"), default=None)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    if options.python is None and options.only not in ("first_step", "versions"):
        raise SystemExit("name an interpreter that has lerobot with --python or BATON_LEROBOT_PYTHON")
    document: dict[str, Any] = {"machine": describe()}
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder, _sets(options, Path(folder)) as sets:
        if options.only in (None, "versions"):
            document[OLDER] = _versions(options, sets)
        if options.only in (None, "pairs"):
            for form in FORMS:
                document[form] = _compared(options, sets[form])
        if options.only in (None, "first_step"):
            document["first_step"] = {
                form: _first_step(root, Path(folder) / f"made {form}")
                for form, root in sets.items()
                if form != OLDER
            }
            print(json.dumps(document["first_step"], indent=1), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _sets(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Path]]:
    """The training demonstrations as npz, as the two forms of version 3.0, and as the one of version 2.1; what is asked
    for of them."""
    found = {"npz": folder / "npz"}
    shutil.copytree(options.data.resolve(), found["npz"], ignore=shutil.ignore_patterns("boxes.json"))
    for form, how in {**FORMS, OLDER: FORMS["png"]}.items():
        if (options.only == "versions" and form == "film") or (
            form == OLDER and options.only not in (None, "versions")
        ):
            continue
        found[form] = folder / form
        words = [sys.executable, "cli.py", "data", "convert", str(found["npz"]), str(found[form])]
        version = "lerobot-v2.1" if form == OLDER else "lerobot-v3"
        subprocess.run([*words, "--to", version, *how], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    yield found


def _compared(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    with (
        closing(_Reader([sys.executable, "-c", _OURS, str(root)])) as ours,
        closing(
            _Reader([options.python, str(ROOT / "trials" / "lerobot" / "asked.py"), "time", str(root)])
        ) as theirs,
    ):
        versions, about = theirs.said(), theirs.said()
        lengths = ours.said()["lengths"][: options.episodes]
        found: dict[str, Any] = {
            "frames": sum(lengths),
            "frames_of_the_set": about["frames"],
            "lerobot": versions,
        }
        is_film = root.name == "film"
        found["decoders"] = {
            "ours": "PyAV" if is_film else f"{unpacker.__name__} and PyAV",
            "lerobot": "pyav" if is_film else "Pillow",
        }
        for order in ORDERS:
            asked = _asked(lengths, order)
            readers = {"ours": (ours, asked[0]), "lerobot": (theirs, asked[1])}
            for reader, what in readers.values():  # from here on all files are in the page cache
                reader.read(what)
            pairs = []
            for number in range(options.pairs):
                names = list(readers)[:: 1 if number % 2 else -1]
                pair = {name: readers[name][0].read(readers[name][1]) for name in names}
                pairs.append({name: {k: round(v, 4) for k, v in pair[name].items()} for name in readers})
                print(root.name, order, json.dumps(pairs[-1]), flush=True)
            ratios = [pair["lerobot"]["cpu_seconds"] / pair["ours"]["cpu_seconds"] for pair in pairs]
            found[order] = {**ratio_of(ratios), "pairs": pairs}
            print(root.name, order, found[order]["ratio"], found[order]["interval_95"], flush=True)
    return found


def _versions(options: argparse.Namespace, sets: dict[str, Path]) -> dict[str, Any]:
    """Version 2.1 beside 3.0, both by Baton."""
    found: dict[str, Any] = {}
    with (
        closing(_Reader([sys.executable, "-c", _OURS, str(sets["png"])])) as newer,
        closing(_Reader([sys.executable, "-c", _OURS, str(sets[OLDER])])) as older,
    ):
        lengths = newer.said()["lengths"][: options.episodes]
        assert older.said()["lengths"][: options.episodes] == lengths
        readers = {"v3.0": newer, "v2.1": older}
        for order in ORDERS[:2]:
            what, _ = _asked(lengths, order)
            for reader in readers.values():
                reader.read(what)
            pairs = []
            for number in range(options.pairs):
                names = list(readers)[:: 1 if number % 2 else -1]
                pair = {name: readers[name].read(what) for name in names}
                pairs.append({name: {k: round(v, 4) for k, v in pair[name].items()} for name in readers})
            ratios = [pair["v3.0"]["cpu_seconds"] / pair["v2.1"]["cpu_seconds"] for pair in pairs]
            found[order] = {**ratio_of(ratios), "pairs": pairs}
            print(OLDER, order, found[order]["ratio"], found[order]["interval_95"], flush=True)
    return found


def _asked(lengths: Sequence[int], order: str) -> tuple[list[tuple[int, int | None]], list[int]]:
    """The same frames for both readers: (episode, place or None for all of it), and numbers in the whole set."""
    firsts = [sum(lengths[:number]) for number in range(len(lengths))]
    episodes = list(range(len(lengths)))
    if order == "frames shuffled":
        frames = [(number, place) for number in episodes for place in range(lengths[number])]
        random.Random(0).shuffle(frames)
        return [(n, p) for n, p in frames], [firsts[n] + p for n, p in frames]
    if order == "shuffled":
        random.Random(0).shuffle(episodes)
    whole: list[tuple[int, int | None]] = [(number, None) for number in episodes]
    return whole, [firsts[number] + place for number in episodes for place in range(lengths[number])]


def _first_step(root: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", _FIRST_STEP, str(root), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {name: value if name == "bytes_read" else round(value, 2) for name, value in found.items()}


if __name__ == "__main__":
    main()
