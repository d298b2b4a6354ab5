"""A description of this machine to put beside measured figures: no host, user or path names."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from settings import given
from settings.machine import pybullet_build

_LIBRARIES = (
    "numpy",
    "torch",
    "transformers",
    "opencv-python-headless",
    "sqlalchemy",
    "celery",
    "redis",
)


def describe() -> dict[str, object]:
    """Operating system, processor, cores and memory (GiB) that this process may use, Python, library versions.

    A value that cannot be read here is None, and so is the version of a library that is not installed.
    """
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": given.cores().count,
        "memory_gib": round(given.memory().total / 2**30, 1),
        "python": platform.python_version(),
        "libraries": {**{name: _version(name) for name in _LIBRARIES}, "pybullet": pybullet_build()},
    }


def _cpu_model() -> str | None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or None
    names = (
        line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
    )
    return next(names, None)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
