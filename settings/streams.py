"""Standard streams that whoever started this process closed, or gave an encoding that lacks letters."""

from __future__ import annotations

import io
import os
import sys


def mend_streams() -> None:
    """Call before any file is opened.

    A closed stream is none to Python, and its number would be the next file's: what a library prints would go into
    that. Letters that the encoding lacks are printed escaped: no command fails for its last line.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = _stream(0, "r")
    if sys.stdout is None:
        sys.stdout = _stream(1, "w")
    if sys.stderr is None:
        sys.stderr = _stream(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _stream(number: int, mode: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, mode, closefd=False), encoding="utf-8", write_through=True)
