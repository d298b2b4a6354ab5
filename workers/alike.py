"""A worker that lives on while its attempts fail in one way, one after the other: told as its death would be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

#: Failures in a row, alike but for their numbers, after which this is told.
_TOLD_FAILURES = 3


class FailingAlike:
    """Call one of its methods after each attempt. `tell` gets the sentences that hold from then on."""

    def __init__(self, worker: str, log: Path, tell: Callable[[Sequence[str]], None]) -> None:
        self._worker, self._log, self._tell = worker, log, tell
        self._reason: str | None = None
        self._count = 0
        self._told: list[str] = []

    def went_well(self) -> None:
        self._reason, self._count = None, 0
        self._say([])

    def failed(self, reason: str) -> None:
        """The attempt failed, and the state says so."""
        alike = self._reason is not None and _without_numbers(reason) == _without_numbers(self._reason)
        self._reason, self._count = reason, self._count + 1 if alike else 1
        if self._count >= _TOLD_FAILURES:
            self._say(
                [
                    f"{self._worker}: {self._count} attempts failed alike, one after the other: {reason}{self._where}"
                ]
            )
        elif not alike:
            self._say([])

    def unrecorded(self, reason: str) -> None:
        """How the attempt ended could not be written down: its job is taken back once its lease has run out."""
        self._reason, self._count = None, 0
        self._say([f"{self._worker}: how an attempt ended could not be recorded: {reason}{self._where}"])

    @property
    def _where(self) -> str:
        return f" (see {self._log})" if self._log.exists() else ""

    def _say(self, sentences: list[str]) -> None:
        if sentences != self._told:
            self._told = sentences
            self._tell(sentences)


def _without_numbers(reason: str) -> str:
    return re.sub(r"\d+", "0", reason)
