"""What a large home costs: planning an ablation, claiming a job, asking for status, over 10^3 to 10^6 jobs.

    python -m benchmarks.home_scale [--jobs 1000,10000,100000,1000000] [--episodes 24000]

Every size is a home of its own, filled with finished and waiting jobs of earlier ablations. Then an ablation
of `--episodes` generated episodes is planned and submitted, 2,000 jobs are rung and claimed one by one, and
status is asked for. The plain alternative for a claim is a bare UPDATE of the same row by its id through
SQLite's own driver, without a queue.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from benchmarks.machine import describe
from db import jobs, members, plans, standings
from db.engine import Database, sqlite_module
from db.migrate import open_state
from db.plans import Plan, PlannedJob
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.planner import Planner
from experiments.reconvla.sections import Data, Evaluation
from settings.home import Home
from tasks.registry import versions

RESULT = Path(__file__).resolve().parent / "results" / "home_scale.json"

#: Jobs of one ablation in the home that is filled.
_ABLATION_JOBS = 25_000
_CLAIMS = 2000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", default="1000,10000,100000,1000000")
    parser.add_argument("--episodes", type=int, default=24_000)
    options = parser.parse_args()
    rows = []
    for size in (int(text) for text in options.jobs.split(",")):
        folder = Path(tempfile.mkdtemp(prefix="baton-scale-"))
        try:
            rows.append(measure(Home(folder / "home"), size, options.episodes))
        finally:
            shutil.rmtree(folder)
        print(json.dumps(rows[-1]), flush=True)
    document = {"machine": describe(), "command": sys.argv[1:], "sizes": rows}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    plot(rows, RESULT.with_suffix(".svg"))
    return 0


def measure(home: Home, size: int, episodes: int) -> dict[str, float]:
    home.create()
    database = open_state(home)
    fill(database, home, size)
    figures: dict[str, float] = {"jobs": size}
    began = time.perf_counter()
    plan = Planner(config_of(episodes)).plan()
    figures["plan_seconds"] = time.perf_counter() - began
    began = time.perf_counter()
    submitted = plans.submit(database, plan, "benchmark", time.time())
    figures["submit_seconds"] = time.perf_counter() - began
    assert submitted.jobs_added == len(plan.jobs)
    worker = members.join(database, "worker", "cpu", None, time.time())
    rings, claims, plain = [], [], []
    bare = sqlite_module().connect(home.state_db, isolation_level=None)
    bare.execute("pragma synchronous=normal")
    while len(claims) < _CLAIMS:
        began = time.perf_counter()
        rung = jobs.ring(database, "cpu", 200, time.time(), versions())
        assert rung, "the plan has that many jobs"
        rings.append((time.perf_counter() - began) / max(1, len(rung)))
        for row in rung:
            began = time.perf_counter()
            claim = jobs.claim(database, row.id, worker, 30.0, time.time(), versions())
            claims.append(time.perf_counter() - began)
            assert claim is not None
            began = time.perf_counter()
            bare.execute("begin immediate")
            bare.execute("update job set lease_expires_at = ? where id = ?", (time.time(), row.id))
            bare.execute("commit")
            plain.append(time.perf_counter() - began)
    bare.close()
    figures |= {
        "ring_ms_median": 1000 * percentile(rings, 50),
        "claim_ms_median": 1000 * percentile(claims, 50),
        "claim_ms_p99": 1000 * percentile(claims, 99),
        "bare_update_ms_median": 1000 * percentile(plain, 50),
    }
    began = time.perf_counter()
    whole = standings.standing(database)
    figures["status_seconds"] = time.perf_counter() - began
    total = sum(sum(entry.jobs.values()) for entry in whole.ablations)
    assert total == size + len(plan.jobs), (total, size, len(plan.jobs))
    began = time.perf_counter()
    standings.open_ablations(database)
    figures["watch_seconds"] = time.perf_counter() - began
    database.close()
    return {name: round(value, 4) for name, value in figures.items()}


def fill(database: Database, home: Home, size: int) -> None:
    """Earlier ablations: nine tenths of their jobs have succeeded, the rest still waits."""
    made = 0
    while made < size:
        count = min(_ABLATION_JOBS, size - made)
        plans.submit(database, earlier(f"old{made}", count), "benchmark", time.time())
        made += count
    state = sqlite_module().connect(home.state_db, isolation_level=None)
    state.execute("update job set state = 'succeeded', finished_at = 1.0 where id % 10 != 0")
    state.execute("update job set state = 'blocked', waiting_on = 1 where id % 10 = 0")
    state.execute("analyze")
    state.close()


def earlier(name: str, count: int) -> Plan:
    """An ablation of `count` gaze jobs, for filling a home."""
    spec = {"number": "0", "detector": "colour", "options": {}}
    planned = [
        PlannedJob(f"{name}-{number}", "gaze", f"{name}-{number}", spec, "cpu", 10) for number in range(count)
    ]
    return Plan(name, name, {}, planned)


def config_of(episodes: int) -> AblationConfig:
    """Three arms on so many generated training episodes, over all tasks, and 1,000 sequences each."""
    tasks = 34
    data = Data(demonstrations_per_task=-(-episodes // tasks))
    return AblationConfig(name="large", data=data, evaluation=Evaluation(protocol="calvin"))


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def plot(rows: list[dict[str, float]], file: Path) -> None:
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.2))
    sizes = [row["jobs"] for row in rows]
    for axis, names, unit in (
        (axes[0], ("plan_seconds", "submit_seconds"), "s"),
        (axes[1], ("claim_ms_median", "claim_ms_p99", "bare_update_ms_median"), "ms"),
        (axes[2], ("status_seconds", "watch_seconds"), "s"),
    ):
        for name in names:
            axis.plot(sizes, [row[name] for row in rows], marker="o", label=name.replace("_", " "))
        axis.set(xscale="log", xlabel="jobs in the home", ylabel=unit, ylim=(0, None))
        axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(file)


if __name__ == "__main__":
    sys.exit(main())
