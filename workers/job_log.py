"""What a worker says during one attempt, kept by job: `logs/jobs/<job>.log` in the home.

The worker's own log holds the same lines between those of its other jobs. A file appears with the first
line that an attempt prints or logs, so that a million silent jobs leave no million files.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from settings.home import Home
from settings.shown import MORE, continued

#: A job that prints without end keeps this much, and as much again of what came before.
_LIMIT_BYTES = 4 * 1024 * 1024

#: Of a printed line: a bar that is drawn anew without ever ending its line would grow without end.
LONGEST_LINE = 1 << 14
#: Of what is logged at once, a traceback with it.
_LONGEST_TEXT = 1 << 18
_CUT = " ... (cut)"

#: These speak of the queue and not of a job.
_QUEUE_LOGGERS = ("celery", "kombu", "amqp", "redis")

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \[(\d{1,18})\] (.*)", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class LogLine:
    """One line, or a traceback as one. `at`: Unix seconds; `attempt`: number of the attempt that said it."""

    at: float
    attempt: int
    text: str


def job_log_file(home: Home, job_id: int) -> Path:
    return home.logs / "jobs" / f"{job_id}.log"


@contextmanager
def job_log(home: Home, job_id: int, attempt: int) -> Iterator[None]:
    """Copy to the job's file what this process logs and what Python code prints until the block ends.

    One attempt runs at a time in a process. What libraries in C write is in the worker's own log only.
    """
    handler = _WhenSaid(home, job_id, attempt)
    root = logging.getLogger()
    with ExitStack() as stack:
        stack.callback(handler.close)
        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        for stream, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            copied = _Copied(stream, handler)
            stack.callback(copied.tell_begun)
            stack.enter_context(redirected(copied))
        yield


def read_job_log(home: Home, job_id: int) -> list[LogLine]:
    """All lines of a job's attempts on this machine, oldest first; none where nothing was said."""
    file = job_log_file(home, job_id)
    text = "".join(
        part.read_bytes().decode(errors="replace")  # a text would have lines end at carriage returns too
        for part in (file.with_name(f"{file.name}.1"), file)
        if part.exists()
    )
    return parse_job_log(text.removesuffix("\n").split("\n"))


def parse_job_log(lines: Sequence[str]) -> list[LogLine]:
    """A line that has no time, or none that there is, belongs to the one before it (tracebacks)."""
    parsed: list[tuple[float, int, list[str]]] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        at = None if match is None else _time(match[1])
        if match is not None and at is not None:
            parsed.append((at, int(match[2]), [match[3]]))
        elif parsed:
            parsed[-1][2].append(line.removeprefix(MORE))
    return [LogLine(at, attempt, "\n".join(texts)) for at, attempt, texts in parsed]


def _time(text: str) -> float | None:
    """Unix seconds; None where a clock shows no such time."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


class _WhenSaid(logging.Handler):
    """Opens the job's file with the first line that is said: most short jobs say nothing."""

    def __init__(self, home: Home, job_id: int, attempt: int) -> None:
        super().__init__()
        self._of = home, job_id, attempt
        self._file: _File | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_QUEUE_LOGGERS):
            return
        if self._file is None:
            self._file = self._opened()
        self._file.handle(record)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def _opened(self) -> _File:
        home, job_id, attempt = self._of
        file = job_log_file(home, job_id)
        with suppress(OSError):  # the handler tells why nothing can be written there
            file.parent.mkdir(mode=0o700, exist_ok=True)
        handler = _File(file, maxBytes=_LIMIT_BYTES, backupCount=1, delay=True, encoding="utf-8")
        handler.setFormatter(_Formatter(attempt))
        return handler


class _File(RotatingFileHandler):
    """A log that cannot be written is told once, beside it, and ends no job."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._is_told:
            self._is_told = True
            print(
                f"the job's log {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr
            )

    def close(self) -> None:
        with suppress(OSError):  # of what was told then
            super().close()


class _Formatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z [attempt] WARNING text`; plain text for what was printed."""

    def __init__(self, attempt: int) -> None:
        super().__init__()
        self._attempt = attempt

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = "" if record.name == _PRINTED else f"{record.levelname} "
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if len(text) > _LONGEST_TEXT:
            text = text[:_LONGEST_TEXT] + _CUT
        text = continued(text)
        return f"{when}.{int(record.created * 1000) % 1000:03d}Z [{self._attempt}] {level}{text}"


#: The name of records that were printed and not logged.
_PRINTED = "print"


class _Copied(io.TextIOBase):
    """A text stream that also hands whole lines to a handler. Progress bars' rewritten lines count once, and of a line
    no more than `longest` characters are kept."""

    def __init__(self, stream: TextIO, handler: logging.Handler, longest: int = LONGEST_LINE) -> None:
        self._stream = stream
        self._handler = handler
        self._longest = longest
        self._begun = ""
        self._telling: int | None = None  # the thread that hands over a line

    def write(self, text: str) -> int:
        self._stream.write(text)
        first, *rest = text.split("\n")
        self._go_on(first)
        for line in rest:
            self.tell_begun()
            self._go_on(line)
        return len(text)

    def tell_begun(self) -> None:
        """Hand over the line that was begun, as it is now."""
        shown, self._begun = self._begun.rstrip(), ""
        if not shown or self._telling == threading.get_ident():
            return  # what the handler says of its own errors is on the stream alone
        self._telling = threading.get_ident()
        try:
            self._handler.handle(logging.makeLogRecord({"name": _PRINTED, "msg": shown}))
        finally:
            self._telling = None

    def _go_on(self, text: str) -> None:
        if not text or (self._begun.endswith(_CUT) and "\r" not in text):
            return
        joined = self._begun + text
        begun = joined.rstrip("\r").rpartition("\r")[2]
        if len(begun) > self._longest:
            begun = begun[: self._longest - len(_CUT)] + _CUT
        self._begun = begun + "\r" * joined.endswith("\r")  # what comes next is drawn over it

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False
