"""What an attempt ran on: exactness is promised between attempts where these agree."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from tasks.devices import computed_on

#: Libraries whose version can change a result.
_LIBRARIES = ("torch", "transformers", "numpy", "opencv-python-headless", "pybullet", "pillow")

#: Told to people only: no result depends on these.
FOR_PEOPLE = frozenset({"device", "baton", "celery", "os", "cores", "memory_gib", "gpus"})


def attempt_environment(device: str) -> dict[str, str | int]:
    """Processor or GPU, thread count and library versions; for people also how much of it the process has.

    Imports none of the libraries. Device and GPU are what torch computed on, not what the worker was told (`device`).
    `gpus`: those this process sees.
    """
    device, gpu, gpus = computed_on(device)
    return {"device": device, "gpu": gpu, "gpus": gpus, **_machine()}


@lru_cache(maxsize=1)
def _machine() -> dict[str, str | int]:
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "os": _system(),
        "python": platform.python_version(),
        "baton": _version("baton-queue"),
        "celery": _version("celery"),
        **{name: _version(name) for name in _LIBRARIES},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def _system() -> str:
    """Distribution and kernel."""
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = platform.system()
    return f"{distribution}, kernel {platform.release()}"


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name as Linux tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def release_device_memory() -> None:
    """Give the GPU's cached blocks back after running out of memory, where torch is in use at all."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
