"""What `tasks.machine_check` says in a process of its own, where a crash or a started CUDA hurts nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from settings.gpus import only
from tasks.machine_check import TriedGpu

_ROOT = Path(__file__).resolve().parents[2]
#: On a machine that is busy with other things imports alone take minutes.
_SECONDS = 600.0


@dataclass
class Trial:
    """faults: why an import fails, by its name (None: it works). gpus: as `models.gpus.Gpu`, with its `remedy`.
    ended: why the process did not come to its end, None where it did. torch: its version and what it was built for,
    empty where it cannot be imported.
    """

    faults: dict[str, str | None] = field(default_factory=dict)
    gpus: list[TriedGpu] = field(default_factory=list)
    ended: str | None = None
    torch: str = ""


@lru_cache(maxsize=4)
def try_machine(packages: bool = False, gpus: tuple[str, ...] | None = None) -> Trial:
    """Takes some seconds, once a process. packages: optional ones too. gpus: only these, as a worker will see them."""
    command = [sys.executable, "-m", "tasks.machine_check", *(["--packages"] if packages else [])]
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    if gpus is not None:
        environment |= only(gpus)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Trial(ended=f"gave no answer within {_SECONDS:.0f} s")
    return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> Trial:
    trial, trying = Trial(), "the beginning"
    for line in done.stdout.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue  # what packages print
        if not isinstance(told, dict):
            continue
        if "package" in told:
            trial.faults[told["package"]] = told["fault"]
        elif "torch" in told:
            trial.torch = told["torch"]
        elif "gpu" in told:
            trial.gpus.append(told["gpu"])
        trying = told.get("trying", trying)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        trial.ended = f"ended with code {done.returncode} at {trying}: {last}"
        trial.faults.setdefault(trying, trial.ended)
    return trial
