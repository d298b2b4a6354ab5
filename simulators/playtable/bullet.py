"""PyBullet, without the line that it prints when it is imported: past Python's streams, and into every command's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _unheard() -> Iterator[None]:
    """Standard error goes nowhere meanwhile, whoever writes; where there is none, nothing is done."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with _unheard():
    import pybullet as pybullet
