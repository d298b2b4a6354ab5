"""What of this machine decides the last bits of a sum: its processor, and the versions of libraries."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from settings.faults import need_fact

#: The version of a library that is not there.
ABSENT = "absent"

_INSTRUCTIONS = ("sse", "avx", "fma", "f16c", "amx", "asimd", "sve")


@lru_cache(maxsize=64)
def version(distribution: str) -> str:
    """Of an installed library, ABSENT where there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ABSENT


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
