"""What an attempt ran on: exactness is promised between attempts where these agree."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from settings import given
from settings.arithmetic import THREADS, deciding_variables
from settings.commit import checked_out
from settings.faults import need_fact
from settings.machine import ABSENT, instructions, processor, pybullet_build, version

#: As this process begins: what is checked out later is not what it has imported.
_COMMIT = checked_out(Path(__file__).resolve().parent.parent) or ABSENT

#: Libraries whose version can change a result.
LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "bitsandbytes", "diffusers", "numpy",
              "opencv-python-headless", "pillow")  # fmt: skip


def attempt_environment(device: str, threads: int = THREADS) -> dict[str, object]:
    """Processor or GPU and library versions; for people also how much of it the process has.

    Imports none of the libraries. `gpus`: those this process sees. `threads`: those of the work (`tasks.fixed_state`).
    `variables`: those of the environment that decide arithmetic; attempts of earlier versions have none, and their
    `threads` are what OMP_NUM_THREADS said.
    """
    torch = sys.modules.get("torch")
    gpu, gpus = "", 0
    used = torch is not None and (device.startswith("cuda") or torch.cuda.is_initialized())
    if torch is not None and used and torch.cuda.is_available():
        gpu, gpus = torch.cuda.get_device_name(0), torch.cuda.device_count()
    return {
        "device": device,
        "gpu": gpu,
        "gpus": gpus,
        "threads": threads,
        "variables": deciding_variables(),
        **_machine(),
    }


@lru_cache(maxsize=1)
def _machine() -> Mapping[str, str | int]:
    """What stays as it is while the process lives."""
    return {
        "processor": processor(),
        "instructions": instructions(),
        "cores": given.cores().count,
        "memory_gib": max(1, round(given.memory().total / 2**30)),
        "os": _system(),
        "python": platform.python_version(),
        "baton": version("baton-queue"),
        "commit": _COMMIT,
        "celery": version("celery"),
        **{name: version(name) for name in LIBRARIES},
        "pybullet": pybullet_build(),
    }


def _system() -> str:
    """Distribution and kernel."""
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError) as error:
        need_fact(error)
        distribution = platform.system()
    return f"{distribution}, kernel {platform.release()}"


def release_device_memory() -> None:
    """Give the GPU's cached blocks back after running out of memory, where torch is in use at all."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
