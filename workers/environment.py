"""What an attempt ran on: exactness is promised between attempts where these agree."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

#: Libraries whose version can change a result.
_LIBRARIES = ("torch", "transformers", "numpy", "opencv-python-headless", "pybullet", "pillow")


@lru_cache(maxsize=1)
def attempt_environment(device: str) -> dict[str, str | int]:
    """Processor or GPU, thread count and library versions. Imports none of the libraries."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    torch = sys.modules.get("torch")
    gpu = ""
    if torch is not None and device.startswith("cuda") and torch.cuda.is_available():
        gpu = torch.cuda.get_device_name(0)
    return {
        "device": device,
        "processor": processor(),
        "gpu": gpu,
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "python": platform.python_version(),
        **versions,
    }


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
