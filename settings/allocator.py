"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # malloc.h


def give_back_from(size: int) -> bool:
    """From now on and in this process, blocks of so many bytes and more go back to the kernel when they are freed.

    glibc has such a bound, but raises it by itself up to 32 MiB, and keeps what is smaller for itself: of a model whose
    tensors are a few MiB each that was a fifth more than they take. A block then costs its page faults each time.
    Whether it is so; another C library is left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, size))
    except AttributeError:
        return False
