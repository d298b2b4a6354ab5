"""What of this machine decides the last bits of a sum: its processor, and the versions of libraries."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from settings.faults import need_fact

#: The version of a library that is not there.
ABSENT = "absent"

#: Two distributions bring the module pybullet. The fork has wheels for Python 3.12, and says no version of its own.
_PYBULLET, _PYBULLET_FORK = "pybullet", "pybullet-arm64"

_INSTRUCTIONS = ("sse", "avx", "fma", "f16c", "amx", "asimd", "sve")


@lru_cache(maxsize=64)
def version(distribution: str) -> str:
    """Of an installed library, ABSENT where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ABSENT


@lru_cache(maxsize=1)
def pybullet_build() -> str:
    """The PyBullet that is imported here: its version, after the name of its distribution where that is not `pybullet`;
    ABSENT where there is none. Where two distributions are installed, the one whose file lies there."""
    installed = [name for name in (_PYBULLET, _PYBULLET_FORK) if version(name) != ABSENT]
    if len(installed) > 1:
        installed = [name for name in installed if _has_its_module(name)] or installed
    told = [version(name) if name == _PYBULLET else f"{name} {version(name)}" for name in installed]
    return " or ".join(told) or ABSENT


def _has_its_module(distribution: str) -> bool:
    """Whether the module of PyBullet that lies there is the one that `distribution` brought: the last one installed
    writes over the other's."""
    for file in metadata.files(distribution) or ():
        if len(file.parts) == 1 and file.name.startswith("pybullet.") and file.suffix == ".so":
            place = Path(str(file.locate()))
            return place.is_file() and place.stat().st_size == file.size
    return False


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name as Linux tells it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def instructions() -> str:
    """Sets of instructions that libraries choose their kernels by: virtual machines of one processor differ in them."""
    known = _cpuinfo("flags") or _cpuinfo("Features")
    return " ".join(sorted(flag for flag in known.split() if flag.startswith(_INSTRUCTIONS)))


def _cpuinfo(entry: str) -> str:
    """Of the first processor; empty where Linux does not tell it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.partition(":")[0].strip() == entry:
                return line.partition(":")[2].strip()
    except OSError as error:
        need_fact(error)
    return ""
