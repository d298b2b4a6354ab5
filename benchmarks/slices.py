"""What cutting a run into slices costs: the stall of a checkpoint, and the start of the next slice.

    python -m benchmarks.slices [--megabytes 12,200] [--slices 8]

Stall: how long the loop is blocked by a checkpoint of so many megabytes of weights and optimizer state (what
a step that computes for 0.15 s does not hide), against saving, hashing, syncing and committing in the loop.
Start: a real run in slices of two seconds on two workers; from the commit that gave the job back to the first
step of the next slice, on the same worker and, after that worker was killed, on the other; against loading
the same checkpoint in a plain process.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.machine import describe
from db import jobs, members, plans
from db.migrate import open_state
from db.plans import Plan, PlannedJob
from db.store import ArtifactStore
from settings.home import Home
from tasks.kind import Spec
from tasks.memory_limits import MemoryLimits
from tasks.train.checkpoints import CheckpointWriter, Snapshot
from workers.attempt import AttemptContext, StopSignal

ROOT = Path(__file__).resolve().parent.parent
CLI = [sys.executable, str(ROOT / "cli.py")]
RESULT = ROOT / "benchmarks" / "results" / "slices.json"

#: A step of the toy (benchmarks/results/goodput.json); only the part before weights change.
_STEP_SECONDS = 0.15

#: Tensors of a checkpoint: as many as a small model with its optimizer has.
_TENSORS = 300


def work() -> None:
    """Forward and backward passes, for about as long as a step of the toy takes."""
    matrix = torch.randn(512, 512)
    give_up = time.perf_counter() + _STEP_SECONDS
    while time.perf_counter() < give_up:
        torch.mm(matrix, matrix)


def stall(folder: Path, megabytes: int, rounds: int = 5) -> dict[str, float]:
    """Seconds the loop is blocked, beside the work and in the loop (medians)."""
    torch.set_num_threads(1)
    home = Home(folder / f"stall{megabytes}")
    home.create()
    database, store = open_state(home), ArtifactStore(home)
    plan = Plan("p", "p", {}, [PlannedJob("k", "train", "train", {}, "cpu", 1, 1000)])
    plans.submit(database, plan, "benchmark", time.time())
    worker = members.join(database, "worker", "cpu", None, time.time())
    (row,) = jobs.ring(database, "cpu", 1, time.time())
    claim = jobs.claim(database, row.id, worker, 3600.0, time.time())
    assert claim is not None
    each = max(1, megabytes * (1 << 20) // 4 // _TENSORS)
    state = {f"tensor{number}": torch.randn(each) for number in range(_TENSORS)}
    blocked: dict[bool, list[float]] = {False: [], True: []}
    with ExitStack() as cleanup:
        context = AttemptContext(
            database, store, claim, Spec(), MemoryLimits(), cleanup, {}, StopSignal(), None, None
        )
        with CheckpointWriter(context, Snapshot()) as writer:
            step = 0
            for wait in (False, True):
                for _ in range(rounds + 1):
                    step += 1
                    for tensor in state.values():
                        tensor += 1
                    began = time.perf_counter()
                    writer.begin(step, {"weights": state}, [], wait=wait)
                    lost = time.perf_counter() - began
                    if not wait:
                        work()
                    began = time.perf_counter()
                    writer.await_copy()
                    blocked[wait].append(lost + time.perf_counter() - began)
                    writer.finish()
    database.close()
    beside, within = (statistics.median(blocked[wait][1:]) for wait in (False, True))
    return {"megabytes": megabytes, "blocked_seconds": round(beside, 5), "in_the_loop_seconds": round(within, 5),
            "ratio": round(beside / within, 4)}  # fmt: skip


def starts(folder: Path, slices: int) -> dict[str, Any]:
    """Seconds to the first step of the next slice, from rows."""
    home = folder / "home"
    command = [*CLI, "--home", str(home), "submit-ablation", "--preset", "smoke", "--arms", "baseline",
               "--set", "evaluation.random_baseline=false", "--set", "evaluation.sequences=1",
               "--set", "evaluation.max_steps=5"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, "--name", "first"], check=True, **quiet)
    longer = [
        *command,
        "--set",
        "training.steps=100000",
        "--set",
        "training.slice_seconds=2",
        "--name",
        "long",
    ]
    subprocess.run([*longer, "--detach"], check=True, **quiet)
    up = subprocess.Popen([*CLI, "--home", str(home), "up", "--cpus", "2", "--gpus", "none"], **quiet)
    job = "(select id from job where kind = 'train' and target_steps = 100000)"
    wanted = slices
    killed = 0
    while killed < 3:
        time.sleep(0.2)
        ended = _rows(home, f"select count(*) from attempt where job_id = {job} and outcome = 'yielded'")[0][
            0
        ]
        if ended >= wanted:
            wanted += slices
            killed += 1
            pid = _rows(home, "select pid from worker where id = (select worker_id from attempt"
                              f" where job_id = {job} order by id desc limit 1)")[0][0]  # fmt: skip
            psutil.Process(pid).kill()
    time.sleep(8)
    up.terminate()
    up.wait()
    rows = _rows(home, "select worker_id, started_at, ended_at, outcome, load_seconds from attempt"
                       f" where job_id = {job} order by id")  # fmt: skip
    same, other = [], []
    for before, after in pairwise(rows):
        if before[3] == "yielded" and before[0] == after[0]:
            same.append(after[1] + after[4] - before[2])
        elif before[0] != after[0]:
            other.append(after[4])
    plain = _plain_load(home, job)
    return {
        "same_worker_ms": {"median": 1000 * statistics.median(same), "max": 1000 * max(same), "n": len(same)},
        "other_worker_load_seconds": {"median": statistics.median(other), "max": max(other), "n": len(other)},
        "plain_load_seconds": plain,
    }


_PLAIN = """
import json, sys, time
from pathlib import Path
began = time.perf_counter()
from models.weights import read_file
from models.recipe import load_model, recipe_of
import tasks.train.run
from tasks.registry import TRAIN
recipe = recipe_of(TRAIN.spec_of(json.loads(sys.argv[1])).model)
load_model(recipe.config, Path(sys.argv[2])).train()
read_file(Path(sys.argv[3]))
print(time.perf_counter() - began)
"""


def _plain_load(home: Path, job: str) -> float:
    """Importing torch and the model's code, and loading the newest checkpoint, in a process of its own."""
    files = dict(_rows(home, f"select name, path from artifact where job_id = {job} order by step"))
    spec = _rows(home, f"select spec from job where id = {job}")[0][0]
    words = [sys.executable, "-c", _PLAIN, spec, str(home / files["weights"]), str(home / files["optimizer"])]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return round(float(ended.stdout), 3)


def _rows(home: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=30)) as state:
        return state.execute(query).fetchall()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", default="12,200")
    parser.add_argument("--slices", type=int, default=8, help="before each of three kills")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baton-slices-") as name:
        stalls = [stall(Path(name), int(size)) for size in options.megabytes.split(",")]
        for row in stalls:
            print(json.dumps(row), flush=True)
        begun = starts(Path(name), options.slices)
    print(json.dumps(begun, indent=1))
    document = {"machine": describe(), "command": sys.argv[1:], "stall": stalls, "start": begun}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
