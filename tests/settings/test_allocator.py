"""Memory that a process gives back when it is freed, and memory that it keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import REPOSITORY

_FREED = """
import ctypes, sys
from pathlib import Path
from settings.allocator import give_back_from

if sys.argv[1] == "given back" and not give_back_from(1 << 20):
    print("not here")
    raise SystemExit
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def made(mib):
    block = libc.malloc(mib << 20)
    ctypes.memset(block, 1, mib << 20)
    return block

libc.free(made(24))  # from now on glibc keeps what is smaller
blocks = [made(2) for _ in range(40)]
for block in blocks[:-1]:
    libc.free(block)
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(pages * 4096 >> 20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_blocks_of_some_size_go_back_when_they_are_freed() -> None:
    held = {}
    for way in ("kept", "given back"):
        command = [sys.executable, "-c", _FREED, way]
        told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        if told.strip() == "not here":
            pytest.skip("another C library")
        held[way] = int(told)
    assert held["given back"] < held["kept"] - 60
