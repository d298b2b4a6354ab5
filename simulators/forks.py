"""Simulators that are forked from one that was opened once: 16 of them have one set of meshes in memory.

The first is opened in a process that does nothing but fork. What a fork changes is its own from then on; scenes,
modules and what Bullet set up for itself it has in common with the others, for as long as nobody writes there.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any

from simulators.external.calvin_env_script import answer_requests, read_message, write_message

_READY = b"\1"
#: Of the process that forks: opening a scene takes seconds, on a busy machine many more.
_OPENING_SECONDS, _FORKING_SECONDS, _END_SECONDS = 300.0, 60.0, 5.0


class Fork:
    """A process forked by another: what `subprocess.Popen` offers, as far as pipes to a simulator need it."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = None  # it has ended already

    def poll(self) -> int | None:
        """None while it runs; how it ended is its parent's to know, so 0."""
        return None if self._runs(0.0) else 0

    def kill(self) -> None:
        if self._descriptor is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self._runs(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return 0

    def _runs(self, seconds: float | None) -> bool:
        if self._descriptor is None:
            return False
        ended, _, _ = select.select([self._descriptor], [], [], seconds)
        if ended:
            os.close(self._descriptor)
            self._descriptor = None
        return not ended


class Stock:
    """A process with a simulator that was opened and never used, of which others are forked."""

    def __init__(self, command: Sequence[str], opening: Mapping[str, Any]) -> None:
        """command: what starts `serve_forks`, but for the number of its socket. Raises OSError where it does not
        start or cannot open the simulator."""
        self._lock = threading.Lock()
        self._link, theirs = socket.socketpair()
        with ExitStack() as undone:
            undone.callback(self._link.close)
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            undone.callback(self.close)
            self._link.settimeout(_OPENING_SECONDS)
            with self._link.makefile("wb") as stream:
                write_message(stream, dict(opening))
            if self._link.recv(1) != _READY:
                raise OSError("the simulator was not opened")
            self._link.settimeout(_FORKING_SECONDS)
            undone.pop_all()

    def fork(self, printed: int) -> Fork:
        """A simulator of its own; printed: the descriptor that has what it prints. Raises OSError."""
        requests, answers = os.pipe(), os.pipe()
        theirs, ours = (requests[0], answers[1]), (requests[1], answers[0])
        try:
            with self._lock:
                socket.send_fds(self._link, [b"\0"], [*theirs, printed])
                told = self._link.recv(4)
            if len(told) < 4:
                raise OSError("the process that forks is gone")
        except OSError:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        pid = struct.unpack("!i", told)[0]
        return Fork(pid, os.fdopen(ours[0], "wb", buffering=0), os.fdopen(ours[1], "rb", buffering=0))

    def close(self) -> None:
        """End the process; what was forked goes on. May be called twice."""
        self._link.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Stocks:
    """Those of this process, kept while any simulator of theirs is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stock, set[int]]] = {}

    def fork(
        self, owner: object, command: Sequence[str], opening: Mapping[str, Any], printed: int
    ) -> Fork | None:
        """A simulator for `owner`; None where none can be forked, here or of this kind."""
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            return None
        key = json.dumps([list(command), dict(opening)], sort_keys=True, default=str)
        with self._lock:
            try:
                if key not in self._known:
                    self._known[key] = Stock(command, opening), set()
                stock, owners = self._known[key]
                fork = stock.fork(printed)
            except OSError:
                if key in self._known:
                    self._known.pop(key)[0].close()
                return None
            owners.add(id(owner))
            return fork

    def leave(self, owner: object) -> None:
        """`owner` needs none any more."""
        with self._lock:
            for key, (stock, owners) in list(self._known.items()):
                owners.discard(id(owner))
                if not owners:
                    del self._known[key]
                    stock.close()


STOCKS = Stocks()


def serve_forks(make: Callable[..., object], descriptor: int) -> None:
    """Open a simulator, of which the other side of a socket tells, and fork whenever it asks, until it closes."""
    with socket.socket(fileno=descriptor) as link:
        with link.makefile("rb") as stream:
            opening = read_message(stream)
        if opening is None:
            return
        del opening["call"]
        served = make(**opening)
        gc.collect()
        gc.freeze()  # its objects would be written to, and with that copied, whenever garbage is looked for
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        link.sendall(_READY)
        while True:
            asked, descriptors, _, _ = socket.recv_fds(link, 1, 3)
            if not asked:
                return
            pid = os.fork()
            if pid == 0:
                _serve(link, descriptors, served)
            for each in descriptors:
                os.close(each)
            link.sendall(struct.pack("!i", pid))


def _serve(link: socket.socket, descriptors: Sequence[int], served: object) -> None:
    """Be the simulator. Ends the process without what others registered for its end: that is the first one's."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        link.close()
        for target, each in enumerate(descriptors):
            os.dup2(each, target)
            os.close(each)
        answer_requests(lambda **opening: served)
        code = 0
    finally:
        os._exit(code)
