"""What `tasks.machine_check` says in a process of its own, where a crash or a started CUDA hurts nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from errors import EnvironmentLacks

_ROOT = Path(__file__).resolve().parents[2]
#: On a machine that is busy with other things imports alone take minutes.
_SECONDS = 600.0


@dataclass
class Trial:
    """faults: why an import fails, by its name (None: it works). gpus: as `models.gpus.Gpu`, with its `remedy`.
    ended: why the process did not come to its end, None where it did.
    """

    faults: dict[str, str | None] = field(default_factory=dict)
    gpus: list[dict[str, Any]] = field(default_factory=list)
    ended: str | None = None


@lru_cache(maxsize=4)
def try_machine(packages: bool = False, gpus: tuple[int, ...] | None = None) -> Trial:
    """Takes some seconds, once a process. packages: optional ones too. gpus: only these, in this order."""
    command = [sys.executable, "-m", "tasks.machine_check", *(["--packages"] if packages else [])]
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    if gpus is not None:
        # Numbers are nvidia-smi's; CUDA's own count from the fastest.
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}
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
        elif "gpu" in told:
            trial.gpus.append(told["gpu"])
        trying = told.get("trying", trying)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        trial.ended = f"ended with code {done.returncode} at {trying}: {last}"
        trial.faults.setdefault(trying, trial.ended)
    return trial


def check_gpus(groups: Sequence[tuple[int, ...]]) -> None:
    """That work can be done on these GPUs (`nvidia-smi`'s numbers). Raises EnvironmentLacks saying which cannot, why,
    and what to do.

    Where torch sees none of them it says so on standard error: their workers then compute on the processor.
    """
    chosen = tuple(number for group in groups for number in group)
    if not chosen:
        return
    if "torch" in sys.modules:  # loaded already: what it was built for needs no other process to tell
        from models.gpus import visible_gpus

        loaded = {gpu.index: {**asdict(gpu), "remedy": gpu.remedy} for gpu in visible_gpus()}
        _refuse({number: gpu for number, gpu in loaded.items() if number in chosen}, "--gpus {}", "none")
    trial = try_machine(gpus=chosen)
    _refuse_imports(trial)
    if not trial.gpus:
        print("warning: torch sees no GPU here; doctor says more", file=sys.stderr)
    _refuse({chosen[gpu["index"]]: gpu for gpu in trial.gpus}, "--gpus {}", "none")


def check_own_gpus() -> None:
    """`check_gpus` for the GPUs that this process sees, however they were chosen; none is fine."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "" or shutil.which("nvidia-smi") is None:
        return
    trial = try_machine()
    _refuse_imports(trial)
    _refuse({gpu["index"]: gpu for gpu in trial.gpus}, "CUDA_VISIBLE_DEVICES={}", "")


def _refuse_imports(trial: Trial) -> None:
    for name, fault in trial.faults.items():
        if fault is not None:
            raise EnvironmentLacks(f"{name} cannot be imported here: {fault}; doctor says more")


def _refuse(gpus: Mapping[int, Mapping[str, Any]], how: str, nothing: str) -> None:
    """gpus: by the number that people choose them by, which is done as `how` says; `nothing` chooses none."""
    faulty = {number: gpu for number, gpu in gpus.items() if gpu["fault"] is not None}
    if not faulty:
        return
    number, gpu = next(iter(faulty.items()))
    others = ",".join(str(number) for number in gpus if number not in faulty) or nothing
    raise EnvironmentLacks(
        f"GPU {number} ({gpu['name']}): {gpu['fault']}; start with {how.format(others)}, or {gpu['remedy']}"
    )
