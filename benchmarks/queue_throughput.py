"""Jobs a second through Baton, against plain Celery, on no-op jobs with one worker process.

python -m benchmarks.queue_throughput --jobs 2000 --rounds 3

Each round runs the sides one after another on the same private Redis. Time runs from the submission of the
first job to the end of the last: for Baton, until the database says that every job has succeeded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.machine import describe
from benchmarks.queue_worker import KIND
from db.jobs import job
from db.migrate import open_state
from db.plans import Plan, PlannedJob, submit
from db.states import SUCCEEDED
from settings.home import Home
from workers.app import TASK_PREFIX, make_app, resource_queue
from workers.broker import start_private

_ROOT = Path(__file__).resolve().parent.parent
_RESULT = Path(__file__).parent / "results" / "queue_throughput.json"
_STOP_SECONDS = 20.0

#: side -> what it is
SIDES = {
    "baton": "Baton: scheduler, bell, claim, commit",
    "plain": "Celery with Baton's queue options (one message at a time)",
    "plain-default": "Celery with its default prefetch (4 messages)",
}


def measure(side: str, broker_url: str, folder: Path, jobs: int) -> float:
    """Jobs a second for one side of one round, in a fresh home."""
    home = Home(folder)
    home.create()
    log = home.logs / "benchmark.log"
    with contextlib.ExitStack() as stack:
        if side == "baton":
            stack.enter_context(_process(["cli.py", "--home", str(folder), "scheduler"], log, broker_url))
        command = ["-m", "benchmarks.queue_worker", side, "--home", str(folder), "--jobs", str(jobs)]
        worker = stack.enter_context(_process(command, log, broker_url))
        _await(worker, "ready", log)
        started = time.perf_counter()
        if side == "baton":
            _submit(home, jobs)
            _await(worker, "done", log)
            _await_succeeded(home, jobs)
        else:
            _send(broker_url, jobs)
            _await(worker, "done", log)
        return jobs / (time.perf_counter() - started)


def _submit(home: Home, jobs: int) -> None:
    planned = [PlannedJob(f"noop-{n}", KIND, f"noop {n}", {}, "cpu", 0) for n in range(jobs)]
    database = open_state(home)
    submit(database, Plan("noops", "noops", {}, planned), "benchmark", time.time())
    database.close()


def _send(broker_url: str, jobs: int) -> None:
    app = make_app(broker_url)
    for number in range(jobs):
        app.send_task(TASK_PREFIX + KIND, args=(number,), queue=resource_queue("cpu"), ignore_result=True)


def _await(worker: subprocess.Popen[str], word: str, log: Path) -> None:
    """Read past Celery's banner to the line that is `word`."""
    assert worker.stdout is not None
    if not any(line.strip() == word for line in iter(worker.stdout.readline, "")):
        raise SystemExit(f"the worker ended without {word!r}:\n{log.read_text(encoding='utf-8')[-2000:]}")


def _await_succeeded(home: Home, jobs: int) -> None:
    database = open_state(home)
    try:
        while True:
            with database.read() as tx:
                count = select(func.count()).select_from(job).where(job.c.state == SUCCEEDED)
                if tx.execute(count).scalar_one() == jobs:
                    return
            time.sleep(0.002)
    finally:
        database.close()


@contextlib.contextmanager
def _process(arguments: list[str], log: Path, broker_url: str) -> Iterator[subprocess.Popen[str]]:
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env={**os.environ, "BATON_BROKER": broker_url, "OMP_NUM_THREADS": "1"},
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Run the rounds, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    sides = arguments.sides.split(",")
    rates: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        redis_home = Home(Path(folder) / "redis")
        redis_home.create()
        server = start_private(redis_home, redis_home.logs / "redis.log")
        try:
            for number in range(arguments.rounds):
                for side in sides:
                    place = Path(folder) / f"{side}-{number}"
                    rates[side].append(measure(side, server.url, place, arguments.jobs))
                    print(f"round {number + 1}: {side:<14} {rates[side][-1]:7.0f} jobs/s", flush=True)
        finally:
            server.process.terminate()
            server.process.wait()
    medians = {side: statistics.median(values) for side, values in rates.items()}
    document = {
        "jobs": arguments.jobs,
        "sides": {side: SIDES[side] for side in sides},
        "jobs_per_second": {side: [round(rate, 1) for rate in values] for side, values in rates.items()},
        "median_jobs_per_second": {side: round(rate, 1) for side, rate in medians.items()},
        "ratio_of_medians": {
            f"baton/{side}": round(medians["baton"] / rate, 3)
            for side, rate in medians.items()
            if side != "baton" and "baton" in medians
        },
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: document[key] for key in ("median_jobs_per_second", "ratio_of_medians")}))


if __name__ == "__main__":
    main()
