"""The device of a worker process: what it is told, and what it sees."""

from __future__ import annotations

import os
import re
import shutil

from errors import EnvironmentLacks
from settings.gpus import VISIBLE, entries, only


def pin(told: str | None) -> str:
    """Make this process compute on `told` (`cpu`, `cuda:1`, `cuda:0+1`) and nothing else; None: on the GPU that torch
    sees, else on the processor. Call it before torch is imported. Returns the device.

    Where CUDA_VISIBLE_DEVICES is set already it decides which GPUs these are, and their number in `told` is for people.
    Raises EnvironmentLacks where torch sees fewer GPUs: it would compute on the processor, under the name of a GPU.
    """
    if told is None:
        seen = _seen() if _may_have_gpu() else 0
        return f"cuda:{'+'.join(_numbers(seen))}" if seen else "cpu"
    if told == "cpu":
        os.environ[VISIBLE] = ""
        return told
    numbers = re.fullmatch(r"cuda(?::(\d+(?:\+\d+)*))?", told)
    if numbers is None:
        raise EnvironmentLacks(
            f"BATON_DEVICE={told}: a worker computes on cpu, cuda:0 or several as cuda:0+1"
        )
    wanted = (numbers[1] or "0").split("+")
    if VISIBLE not in os.environ:
        os.environ.update(only(wanted))
    seen = _seen()
    if seen < len(wanted):
        raise EnvironmentLacks(
            f"this worker is to compute on {told}, and torch sees {seen} GPUs here ({VISIBLE}="
            f"{os.environ[VISIBLE]}): install a torch build and a driver for them, or set BATON_DEVICE=cpu"
        )
    return told


def visible(device: str) -> str:
    """What CUDA calls the GPUs of this process, which is pinned to `device`, separated by commas; empty on the
    processor."""
    if device == "cpu":
        return ""
    numbers = device.removeprefix("cuda:").split("+")
    named = entries(os.environ.get(VISIBLE, ""))[0]
    return ",".join(named[: len(numbers)] or numbers)


def _numbers(seen: int) -> list[str]:
    """Of the GPUs in sight, by the user's list where that has numbers; without a list work is done on the first."""
    if VISIBLE not in os.environ:
        return ["0"]
    named = entries(os.environ[VISIBLE])[0]
    counted = len(named) >= seen and all(entry.isdecimal() for entry in named)
    return named[:seen] if counted else [str(number) for number in range(seen)]


def _may_have_gpu() -> bool:
    """Whether it is worth importing torch to ask."""
    return os.environ.get(VISIBLE) != "" and shutil.which("nvidia-smi") is not None


def _seen() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
