"""One process of a session that shall be running."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from workers.unsaved import Shared

#: A process that dies is started again after this; doubles while it keeps dying at once.
RESTART_SECONDS = 0.2

#: The private broker's name.
BROKER = "redis"


@dataclass
class Child:
    """`start` starts it, again if need be. unsaved: a worker's flag."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    unsaved: Shared | None = None
    started_at: float = field(default_factory=time.monotonic)
    wait_seconds: float = RESTART_SECONDS
    restart_at: float | None = None
    restarts: int = 0
    deaths: int = 0

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def is_worker(self) -> bool:
        return self.unsaved is not None

    @property
    def serves_workers(self) -> bool:
        """Whether workers need it to the end."""
        return self.name == BROKER

    @property
    def has_unsaved(self) -> bool:
        return self.unsaved is not None and self.unsaved.flag.anything

    def ask_to_stop(self) -> None:
        if self.runs:
            self.process.terminate()

    def kill(self) -> bool:
        """SIGKILL to it and to what it started. False when it had ended by itself."""
        if not self.runs:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # each leads a group of its own
        return True
