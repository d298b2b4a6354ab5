"""Leaving the interpreter."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end_at_once(code: int) -> NoReturn:
    """End this process without taking its modules down, which takes seconds where torch or Celery are among them.

    Only where all that counts is in the state, and what it opened may be closed by the kernel.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk, a pipe that nobody reads
            stream.flush()
    os._exit(code)
