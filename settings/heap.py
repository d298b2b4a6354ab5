"""Memory that the C library holds although nothing needs it."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """What was freed goes back to the system: glibc keeps what lies below something that is still in use."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
