"""Status as plain lines, for pipes, notebooks and logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from settings.called import told_apart
from settings.shown import one_line
from views.status_screen import summary_lines

#: A line is printed at most this often, and later only when the time so far has grown by this share: six lines
#: in the first minute, some hundreds in twelve hours.
_LEAST_SECONDS = 10.0
_SHARE = 1 / 60


class StatusLines:
    """Prints what changed, not too often; a failure and the end of an ablation as soon as it is called."""

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, awaits: bool = False
    ) -> None:
        """awaits: whether who prints only looks on, and is told where nobody works."""
        self._stream = stream
        self._awaits = awaits
        self._clock = clock
        self._began = self._next = clock()
        self._last: list[str] = []
        self._states: dict[int, str] | None = None
        self._failed = 0
        self._troubles: list[str] = []

    def __call__(self, document: Mapping[str, Any], *, leaves: bool = False) -> None:
        """`document`: that of `status --json`. Ablations that had ended before are told of only if none goes on.

        leaves: as `status_screen` has it.
        """
        entries = document["ablations"]
        lines = summary_lines(document, awaits=self._awaits, leaves=leaves)
        failed = sum(entry["jobs"]["failed"] for entry in entries if entry["state"] == "running")
        troubles = list(document.get("troubles", ()))
        told_at_once = failed > self._failed or troubles != self._troubles
        if lines and lines != self._last and (self._clock() >= self._next or told_at_once):
            self._print(lines)
            self._last = lines
            now = self._clock()
            self._next = now + max(_LEAST_SECONDS, _SHARE * (now - self._began))
        self._failed = failed
        self._troubles = troubles
        before = self._states or (
            {} if lines else dict.fromkeys((entry["id"] for entry in entries), "running")
        )
        names = told_apart((entry["id"], entry["name"]) for entry in entries)
        self._print(
            [
                f"{names[entry['id']]}: {entry['state']}"
                for entry in entries
                if entry["state"] != "running" and before.get(entry["id"]) == "running"
            ]
        )
        self._states = {entry["id"]: entry["state"] for entry in entries}

    def _print(self, lines: list[str]) -> None:
        if lines:
            print("\n".join(map(one_line, lines)), file=self._stream, flush=True)
