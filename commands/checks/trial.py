"""What `tasks.machine_check` says in a process of its own, where a crash or a started CUDA hurts nobody."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from functools import lru_cache

from settings.gpus import only
from settings.own_module import command_of
from tasks.machine_check import TriedGpu

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
    command = command_of("tasks.machine_check", *(["--packages"] if packages else []))
    environment = {**os.environ, **({} if gpus is None else only(gpus))}
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
