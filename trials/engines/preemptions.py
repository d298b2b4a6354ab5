"""Baton itself, preempted again and again without grace, beside a home that nobody disturbs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from db import plans
from db.migrate import open_state
from settings.home import Home
from tests.support import planned
from trials import REPOSITORY, final_artifacts, rows
from trials.engines.slurm import Slurm

_PREEMPTIONS = 20
_ONE = ("--gpus", "none", "--cpus", "1")
#: As much training as twenty starts do not end.
_LONG = ("training.steps=600", "training.checkpoint_seconds=1")


def smoke(slurm: Slurm) -> dict[str, Any]:
    """Preset `smoke`, one arm and more steps, each time at a random moment while a job runs."""
    homes = slurm.folder / "undisturbed", slurm.folder / "home"
    words = ("--preset", "smoke", "--arms", "recon", *(word for pair in _LONG for word in ("--set", pair)))
    for home in homes:
        _baton(home, "submit-ablation", *words, "--detach")
    return _preempted(slurm, *homes, REPOSITORY, _attempts)


def counting(slurm: Slurm) -> dict[str, Any]:
    """A job that needs no torch, each time after it has stored something."""
    (slurm.folder / "counting").mkdir()
    script = REPOSITORY / "tests" / "workers" / "cli_with_bodies.py"
    path = f"import runpy, sys; sys.path[0] = {str(REPOSITORY)!r}"  # not this other cli.py
    stub = f"{path}; runpy.run_path({str(script)!r}, run_name='__main__')"
    (slurm.folder / "counting" / "cli.py").write_text(stub)
    homes = slurm.folder / "undisturbed", slurm.folder / "home"
    for home in map(Home, homes):
        home.create()
        database = open_state(home)
        target = 12 * _PREEMPTIONS
        spec = {"target": target, "log": str(slurm.folder / "log"), "seconds": 0.5}
        job = planned("count", kind="count", spec=spec, target_steps=target)
        plans.submit(database, plans.Plan("k", "count", {}, (job,)), "trial", time.time())
        database.close()
    return _preempted(slurm, *homes, slurm.folder / "counting", _steps)


def _preempted(
    slurm: Slurm, undisturbed: Path, home: Path, baton: Path, count: Callable[[Path], int]
) -> dict[str, Any]:
    """`count` grows once a start is at work."""
    chance = random.Random(0)
    job = slurm.submit(home, "-p", "low0", "--time=0", baton=baton, arguments=_ONE)
    done = begun = 0
    for number in range(1, _PREEMPTIONS + 1):
        if not slurm.wait(partial(_works, home, count, begun), 600):
            break
        time.sleep(chance.uniform(0, 3 if count is _steps else 8))
        slurm.preempt()
        if not slurm.wait(partial(slurm.restarted, job, number), 120):
            break
        done, begun = number, count(home)
    state = slurm.ends(job, 1800)
    _baton(undisturbed, "up", "--until-done", *_ONE, cli=baton / "cli.py")
    made = _digests(home)
    equal = made == _digests(undisturbed) and bool(made)
    (failed,) = rows(home / "state.db", "SELECT COUNT(*) FROM job WHERE state = 'failed'")[0]
    lost = "SELECT COUNT(*), SUM(outcome = 'lost') FROM attempt"
    return {
        "preemptions": done, "state": state, "failed_jobs": failed,
        **dict(zip(("attempts", "lost"), rows(home / "state.db", lost)[0], strict=True)),
        "artifacts": len(made), "equal_digests": equal,
        "holds": done == _PREEMPTIONS and state == "COMPLETED" and equal and failed == 0,
    }  # fmt: skip


def _digests(home: Path) -> dict[str, str]:
    """Of what was made for good, and of the last checkpoint of a job that makes nothing else."""
    last = (
        "SELECT job.label, artifact.sha256 FROM artifact JOIN job ON job.id = artifact.job_id "
        "WHERE artifact.step = job.target_steps AND job.kind = 'count'"
    )
    return final_artifacts(home / "state.db") | dict(rows(home / "state.db", last))


def _attempts(home: Path) -> int:
    return int(sum(count for (count,) in rows(home / "state.db", "SELECT COUNT(*) FROM attempt")))


def _steps(home: Path) -> int:
    return int(sum(step for (step,) in rows(home / "state.db", "SELECT step FROM job")))


def _works(home: Path, count: Callable[[Path], int], begun: int) -> bool:
    return count(home) > begun and bool(rows(home / "state.db", "SELECT id FROM job WHERE state = 'running'"))


def _baton(home: Path, *words: str, cli: Path = REPOSITORY / "cli.py") -> None:
    command = [sys.executable, str(cli), "--home", str(home), *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY, env=environment)
