"""What each case took, for `trials/hostile.py`, which judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _memory(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """The most that the process held above what it held before."""
    Path("/proc/self/clear_refs").write_text("5")  # its high-water mark begins anew
    before = _most_held()
    yield
    record_property("grown_bytes", _most_held() - before)


def _most_held() -> int:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024
