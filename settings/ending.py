"""Leaving the interpreter."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from errors import DiskFull, EnvironmentLacks
from settings.streams import say


def end_at_once(code: int) -> NoReturn:
    """End this process without taking its modules down, which takes seconds where torch or Celery are among them.

    Only where all that counts is in the state, and what it opened may be closed by the kernel.
    """
    if (logging := sys.modules.get("logging")) is not None:  # what imported none wrote no log
        logging.shutdown()
    code = flushed(code)
    with suppress(OSError, ValueError):  # who cannot be told of an error is not told of this one either
        sys.stderr.flush()
    os._exit(code)


def flushed(code: int) -> int:
    """What this process ends with once its standard output is written out: `code`, unless output was lost on the way
    and nothing worse is known. That nobody reads any more is no loss."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_output()
    except OSError as error:
        from settings.faults import FULL  # on use; help alone does without

        _give_up_output()
        if error.errno in FULL:
            say("error: standard output is not whole, as the disk is full; make room and run the same command again",
                error=True)  # fmt: skip
            return code or DiskFull.exit_code
        say(f"error: standard output is not whole: {error.strerror}", error=True)
        return code or EnvironmentLacks.exit_code
    return code


def _give_up_output() -> None:
    """Else the interpreter tries to write it again at its end, and ends with a code of its own."""
    with suppress(OSError, ValueError):
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
