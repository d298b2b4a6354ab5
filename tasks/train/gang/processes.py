"""The processes of one attempt: a launcher, which starts the ranks, and the pipes to and from them.

    attempt -> launcher (torchrun's agent) -> rank 0, rank 1, ...

The kernel kills the launcher when the attempt's thread is gone, and each rank when the launcher is; nothing ends only
because it is asked to. The pipe that they all write to is at its end when the last of them is gone.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from errors import RanksLost
from settings.gang_address import need_loopback
from settings.gpus import only
from settings.own_module import command_of
from settings.parent import PARENT_VARIABLE, left_by
from tasks.train.gang.meeting import Meeting
from tasks.train.gang.words import CHECKPOINT, STOP, Line, error_in, lines_of

logger = logging.getLogger("baton.train")

_LAUNCHER = "tasks.train.gang.launcher"
#: Of a killed group, to be gone; a process in an uninterruptible wait takes longer, and is not waited for.
_GONE_SECONDS = 30.0
#: Of what libraries say on standard error, lines that are kept for the log of an attempt that fails.
_KEPT_LINES = 60
#: Bytes; what is longer is kept in pieces.
_LONGEST_KEPT = 4096
_ASKED = {CHECKPOINT: b"c", STOP: b"s"}


class Group:
    """Running ranks. Lines that they say come out of `next`."""

    def __init__(self, launcher: subprocess.Popen[bytes]) -> None:
        self._launcher = launcher
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._failed: list[Line] = []
        self._exits: dict[str, int] = {}
        self._ended = False
        assert launcher.stdout is not None and launcher.stderr is not None
        self._readers = [
            threading.Thread(target=self._listen, args=(launcher.stdout,), name="ranks", daemon=True),
            threading.Thread(target=self._keep, args=(launcher.stderr,), name="ranks-log", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def next(self, seconds: float) -> Line | None:
        """The next line, or None where none came for so long, or all processes are gone."""
        if self._ended:
            return None
        with suppress(queue.Empty):
            line = self._lines.get(timeout=seconds)
            if line is None:
                self._ended = True
            elif line.word == "failed":
                self._failed.append(line)
            elif line.word == "exits":
                self._exits = line.exits
            return line
        return None

    def lines(self, seconds: float) -> Iterator[Line]:
        """The next line as `next` gives it, and all that were said by then: whoever looks after the ranks between two
        of them would see what was said long ago."""
        there = self._lines.qsize()
        line = self.next(seconds)
        while line is not None:
            yield line
            there -= 1
            line = self.next(0.0) if there > 0 else None

    @property
    def launcher(self) -> int:
        """Its process."""
        return self._launcher.pid

    @property
    def ended(self) -> bool:
        """Whether all processes are gone, and all that they said has been given."""
        return self._ended

    @property
    def failure_told(self) -> bool:
        """Whether a rank told an error of its own, so that nothing is to be waited for any more."""
        return self.own_failure is not None

    @property
    def own_failure(self) -> Line | None:
        """What a rank told of an error of its own."""
        return next((line for line in self._failed if not line.follows), None)

    def ask(self, what: int) -> None:
        """Have the first rank save a checkpoint at the end of its step, or stop after one."""
        assert self._launcher.stdin is not None
        with suppress(BrokenPipeError):  # its end is told by the other pipe
            self._launcher.stdin.write(_ASKED[what])
            self._launcher.stdin.flush()

    def error(self) -> Exception:
        """Why the ranks ended before their work did: what one of them raised, else what is known of their end."""
        if self.own_failure is not None:
            return error_in(self.own_failure)
        killed = [f"rank {rank} was ended by signal {-code}" for rank, code in self._first_killed()]
        if killed:
            return RanksLost("; ".join(killed))
        if self._failed:
            return error_in(self._failed[0])
        code = self._launcher.poll()
        if code is not None and code < 0:
            return RanksLost(f"the launcher of the ranks was ended by signal {-code}")
        exits = ", ".join(f"rank {rank} with {code}" for rank, code in sorted(self._exits.items()))
        return RanksLost(f"the ranks ended without a word ({exits or f'their launcher with {code}'})")

    @property
    def went_well(self) -> bool:
        """Of ranks that have ended: whether all did what they were to do."""
        with suppress(subprocess.TimeoutExpired):
            return self._launcher.wait(_GONE_SECONDS) == 0
        return False

    def log(self) -> None:
        """What libraries said, in the job's log."""
        for line in self._said:
            logger.warning("ranks: %s", line)

    def end(self) -> None:
        """Kill whatever is left, and wait until it is gone."""
        with suppress(ProcessLookupError):
            if self._launcher.poll() is None:
                os.killpg(self._launcher.pid, signal.SIGKILL)  # a group of its own; ranks follow it
        give_up = time.monotonic() + _GONE_SECONDS
        with suppress(subprocess.TimeoutExpired):
            self._launcher.wait(_GONE_SECONDS)
        for pid in left_by(self._launcher.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for reader in self._readers:
            reader.join(max(0.0, give_up - time.monotonic()))
        if any(reader.is_alive() for reader in self._readers):
            logger.warning("ranks that were killed %.0f s ago are not gone", _GONE_SECONDS)
        for pipe in (self._launcher.stdin, self._launcher.stdout, self._launcher.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _first_killed(self) -> Iterator[tuple[str, int]]:
        """Ranks that a signal ended which their launcher does not send."""
        for rank, code in sorted(self._exits.items()):
            if code < 0 and -code != signal.SIGTERM:
                yield rank, code

    def _listen(self, pipe: IO[bytes]) -> None:
        buffer = bytearray()
        while block := os.read(pipe.fileno(), 1 << 16):
            buffer += block
            for line in lines_of(buffer):
                self._lines.put(line)
        self._lines.put(None)

    def _keep(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(_LONGEST_KEPT):
            self._said.append(line.decode(errors="replace").rstrip())


@contextmanager
def started(
    order: Path, ranks: int, devices: Sequence[str] = (), meeting: Meeting | None = None
) -> Iterator[Group]:
    """Ranks of this machine that work on `order`; all are gone afterwards. devices: that they see, in this order;
    empty: those of this process. meeting: with those of other machines. Raises EnvironmentLacks."""
    if meeting is None:
        need_loopback()
    environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
    if devices:
        environment.update(only(devices))
    launcher = subprocess.Popen(
        command_of(_LAUNCHER, str(order), str(ranks), *([] if meeting is None else [meeting.text()])),
        pass_fds=() if meeting is None or meeting.listener is None else (meeting.listener,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        cwd=order.parent,
    )
    group = Group(launcher)
    try:
        yield group
    finally:
        group.end()
