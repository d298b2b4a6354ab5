"""Ending in order when a signal asks for it: services, and commands that run a home."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], object]

#: Signals that tell a command to leave: SLURM sends SIGUSR1, whoever stops a machine SIGTERM, a terminal the others.
LEAVE = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

_STOPPED = 4  # errors.Stopped


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def catch(handler: Handler) -> dict[signal.Signals, Any]:
    """Let each signal of LEAVE call `handler`, but for an ignored SIGHUP (nohup). Returns what they did before."""
    return {
        number: signal.signal(number, handler)
        for number in LEAVE
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }


@contextmanager
def caught(handler: Handler) -> Iterator[None]:
    """`catch` until the end of the block."""
    before = catch(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def leave_at_once(number: int, _frame: FrameType | None) -> None:
    """Handler of commands that run a home and have started nothing: they end where they are.

    Nothing catches that on its way, as it would an exception in the midst of an import; whatever was being written to
    the state is a transaction.
    """
    name = signal.Signals(number).name
    with suppress(OSError):
        os.write(
            2, f"error: stopped by {name} while nothing was running; the same command goes on\n".encode()
        )
    os._exit(_STOPPED)
