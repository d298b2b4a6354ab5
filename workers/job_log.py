"""What a worker says during one attempt, kept by job: `logs/jobs/<job>.log` in the home.

The worker's own log holds the same lines between those of its other jobs. A file appears with the first
line that an attempt prints or logs, so that a million silent jobs leave no million files.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from settings.home import Home

#: A job that prints without end keeps this much, and as much again of what came before.
_LIMIT_BYTES = 4 * 1024 * 1024

#: These speak of the queue and not of a job.
_QUEUE_LOGGERS = ("celery", "kombu", "amqp", "redis")

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \[(\d+)\] (.*)", re.DOTALL)


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
    file = job_log_file(home, job_id)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    handler = RotatingFileHandler(file, maxBytes=_LIMIT_BYTES, backupCount=1, delay=True, encoding="utf-8")
    handler.setFormatter(_Formatter(attempt))
    handler.addFilter(lambda record: not record.name.startswith(_QUEUE_LOGGERS))
    root = logging.getLogger()
    with ExitStack() as stack:
        stack.callback(handler.close)
        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        stack.enter_context(redirect_stdout(_Copied(sys.stdout, handler)))
        stack.enter_context(redirect_stderr(_Copied(sys.stderr, handler)))
        yield


def read_job_log(home: Home, job_id: int) -> list[LogLine]:
    """All lines of a job's attempts on this machine, oldest first; none where nothing was said."""
    file = job_log_file(home, job_id)
    text = "".join(
        part.read_text(encoding="utf-8", errors="replace")
        for part in (file.with_name(f"{file.name}.1"), file)
        if part.exists()
    )
    return parse_job_log(text.splitlines())


def parse_job_log(lines: Sequence[str]) -> list[LogLine]:
    """A line without a time belongs to the one before it (tracebacks)."""
    parsed: list[LogLine] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match:
            at = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
            parsed.append(LogLine(at.timestamp(), int(match[2]), match[3]))
        elif parsed:
            last = parsed[-1]
            parsed[-1] = LogLine(last.at, last.attempt, f"{last.text}\n{line}")
    return parsed


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
        return f"{when}.{int(record.created * 1000) % 1000:03d}Z [{self._attempt}] {level}{text}"


#: The name of records that were printed and not logged.
_PRINTED = "print"


class _Copied(io.TextIOBase):
    """A text stream that also hands whole lines to a handler. Progress bars' rewritten lines count once."""

    def __init__(self, stream: TextIO, handler: logging.Handler) -> None:
        self._stream = stream
        self._handler = handler
        self._begun = ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            shown = line.rpartition("\r")[2].rstrip()
            if shown:
                self._handler.handle(logging.makeLogRecord({"name": _PRINTED, "msg": shown}))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False
