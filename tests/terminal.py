"""A command in a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.processes import environment


class Terminal:
    """What was written to it so far, and the process that writes."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self._seen = bytearray()
        self._hung_up = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return bytes(self._seen).decode(errors="replace")

    def wait(self, seconds: float = 180.0) -> int:
        """The exit code, once everything was read."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def type(self, text: str) -> None:
        """As somebody who sits in front of it."""
        os.write(self._descriptor, text.encode())

    def hang_up(self) -> None:
        """The terminal is gone, as when a window is closed: whatever is written to it fails."""
        if self._hung_up.is_set():
            return
        self._hung_up.set()
        self._reader.join()
        os.close(self._descriptor)

    def _read(self) -> None:
        while not self._hung_up.is_set():
            if not select.select([self._descriptor], [], [], 0.05)[0]:
                continue
            try:
                part = os.read(self._descriptor, 65536)
            except OSError:  # EIO: the other end is closed
                return
            if not part:
                return
            self._seen.extend(part)


@contextmanager
def in_terminal(words: Sequence[str], columns: int = 80, lines: int = 24, **more: str) -> Iterator[Terminal]:
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    # pytest-xdist tells its workers a width of its own; the terminal's counts.
    variables = {"TERM": "xterm-256color", "CI": "", "COLUMNS": "", "LINES": "", **more}
    process = subprocess.Popen(
        list(words), stdin=child, stdout=child, stderr=child, env=environment(**variables)
    )
    os.close(child)
    terminal = Terminal(process, parent)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        terminal.hang_up()
