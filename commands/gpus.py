"""Which devices the workers of a session get, and whether torch can compute on them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

from commands.checks.trial import check_gpus
from errors import EnvironmentLacks, InvalidInput
from workers.supervisor import Devices

#: CUDA's own list of the GPUs that a process may see.
VISIBLE = "CUDA_VISIBLE_DEVICES"

#: Longest wait for a tool that names GPUs, and for torch on a machine that is busy with other things.
_TOOL_SECONDS, _TORCH_SECONDS = 60.0, 600.0

_ASK_TORCH = (
    "import torch; print(torch.__version__, torch.version.cuda or torch.version.hip or 'none', "
    "torch.cuda.device_count() if torch.cuda.is_available() else 0)"
)


def devices_of(gpus: str | None, cpus: int | None) -> Devices:
    """`--gpus 0,1|0+1|all|none` and `--cpus N`; by default every GPU, and a CPU worker for each core left.

    Commas separate workers, `+` the GPUs that one worker shares a batch over (`training.devices`). Numbers are
    nvidia-smi's; GPUs that CUDA_VISIBLE_DEVICES hides are left alone. Where no nvidia-smi can be asked numbers are for
    torch to judge (`need_gpus`). Raises InvalidInput, and EnvironmentLacks for GPUs that are hidden.
    """
    found = visible_gpus()
    chosen: list[tuple[int, ...]]
    if gpus in (None, "all"):
        chosen = [(gpu,) for gpu in found]
    elif gpus == "none":
        chosen = []
    elif re.fullmatch(r"\d+([,+]\d+)*", str(gpus)) is None:
        raise InvalidInput(
            f"--gpus {gpus!r} is not all, none, or numbers separated by commas (0,1), "
            "or by + where one worker has several (0+1)"
        )
    else:
        chosen = [tuple(map(int, group.split("+"))) for group in str(gpus).split(",")]
        named = [gpu for group in chosen for gpu in group]
        if len(set(named)) < len(named):
            raise InvalidInput(f"--gpus {gpus!r} names a GPU twice")
        _check_named(str(gpus), named, found)
    cores = len(os.sched_getaffinity(0))
    return Devices(chosen, cpus if cpus is not None else max(1, cores - len(chosen)))


def need_gpus(groups: Sequence[tuple[int, ...]]) -> None:
    """Raises EnvironmentLacks unless torch sees all these GPUs and has kernels for them: their workers would compute on
    the processor, and the record would name a GPU. torch is asked in a process of its own, as a worker will be started.
    """
    chosen = [gpu for group in groups for gpu in group]
    if not chosen:
        return
    environment = {**os.environ, **worker_gpus(chosen)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TORCH_SECONDS,
            check=False,
        )
        version, build, count = done.stdout.split()[-3:]
    except (ValueError, subprocess.TimeoutExpired):
        raise EnvironmentLacks("torch does not tell which GPUs it sees; doctor says more") from None
    if int(count) < len(chosen):
        told = "built without CUDA" if build == "none" else f"built for {build}"
        names = f"GPU {chosen[0]} is" if len(chosen) == 1 else f"GPUs {', '.join(map(str, chosen))} are"
        raise EnvironmentLacks(
            f"{names} asked for, and torch {version} ({told}) sees {count} of them: install "
            "a torch build and a driver for them (doctor says more), or compute on the processor with --gpus none"
        )
    check_gpus(groups)


def worker_gpus(group: Sequence[int]) -> dict[str, str]:
    """The variables that show a process these GPUs alone, by nvidia-smi's numbers."""
    order = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # CUDA itself counts from the fastest
    return {"CUDA_DEVICE_ORDER": order, VISIBLE: ",".join(map(str, group))}


def visible_gpus() -> list[int]:
    """nvidia-smi's numbers of the NVIDIA GPUs that this process may use, without importing torch."""
    named = list(_listed())
    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        return [index for index, _ in named]
    chosen: list[int] = []
    for entry in (part.strip() for part in allowed.split(",")):
        fits = [index for index, uuid in named if _is_named(entry, index, uuid)]
        if not fits:  # CUDA ignores this entry and all after it
            break
        chosen += [index for index in fits if index not in chosen]
    return chosen


def _is_named(entry: str, index: int, uuid: str) -> bool:
    return entry == str(index) or (entry.startswith("GPU-") and uuid.startswith(entry))


def _listed() -> Iterator[tuple[int, str]]:
    """(number, UUID or empty). A tool that answers in words, or not at all, lists nothing."""
    if shutil.which("nvidia-smi") is None:
        return
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in listed.stdout.splitlines() if listed.returncode == 0 else ():
        found = re.fullmatch(r"\s*(\d+)\s*(?:,\s*(\S+)\s*)?", line)
        if found is not None:
            yield int(found[1]), found[2] or ""


def _check_named(said: str, named: Sequence[int], found: Sequence[int]) -> None:
    allowed = os.environ.get(VISIBLE)
    numbers = None if allowed is None else [part.strip() for part in allowed.split(",") if part.strip()]
    if numbers is not None and all(part.isdigit() or part == "-1" for part in numbers):
        hidden = [gpu for gpu in named if str(gpu) not in numbers]
        if hidden:
            raise EnvironmentLacks(
                f"--gpus {said}: {VISIBLE}={allowed} hides GPU {hidden[0]}; name others, or unset it"
            )
    missing = sorted(set(named) - set(found)) if found else []
    if missing:
        raise InvalidInput(f"--gpus {said!r}: this machine has no GPU {missing[0]}, only {list(found)}")
