"""Standard streams: that whoever started this process closed them, gave an encoding that lacks letters, or reads no
further; and the one door through which all text of this process goes to them, which lets nothing move a terminal."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from settings.shown import one_line, plain

#: How bars of libraries go back to the line above.
_UPWARDS = "\x1b[A"


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
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in (
        "strict",
        "surrogateescape",
    ):  # C locale
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = _plain(sys.stdout), _plain(sys.stderr)


class PlainStream:
    """A text stream on which what moves a terminal, but ends of lines and tabs, is shown escaped: printed, logged, or
    in a traceback, and in pipes too, as people look at these later. Bars of libraries may go back in their own lines.

    `behind`: the stream itself, for who draws on purpose.
    """

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def write(self, text: str) -> int:
        if text and not text.replace(_UPWARDS, "") and self.behind.isatty():
            self.behind.write(text)
            return len(text)
        again = text.startswith("\r")
        self.behind.write("\r" * again + plain(text[again:]))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


def _plain(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, PlainStream) else cast(TextIO, PlainStream(stream))


def say(line: str = "", *, error: bool = False, now: bool = False) -> None:
    """Print one line on standard output, or (`error`) on standard error; ends of lines within it are shown escaped.
    now: whoever reads has it when this returns.

    Who reads no further (`head`) is no failure of what is done, and ends nothing; nor is it that standard error cannot
    be written. Raises OSError where standard output cannot be.
    """
    line = one_line(line)
    if error:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)
        return
    with suppress(BrokenPipeError):
        print(line, flush=now)


def say_to_who_waits(line: str) -> None:
    """On a terminal: what the next seconds go to, of a command that then prints all at once. Others wait in silence."""
    if sys.stderr.isatty():
        say(line, error=True)


def is_unread() -> bool:
    """Whether standard output, or standard error, is a pipe that nobody reads any more."""
    import select  # on use; help alone does without

    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # none of the system's
            poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _stream(number: int, mode: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, mode, closefd=False), encoding="utf-8", write_through=True)
