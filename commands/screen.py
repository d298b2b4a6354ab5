"""What a foreground run shows while it works."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: Without a terminal a line is printed at most this often.
_LINE_SECONDS = 10.0


class Screen:
    """Progress bars on a terminal; a line now and then in pipes, notebooks and CI. All on standard error."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._bars: dict[int, int] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
        )
        self._last_line = ""
        self._next_line = 0.0

    def __enter__(self) -> Screen:
        if self._fancy:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._fancy:
            self._progress.stop()

    @property
    def _fancy(self) -> bool:
        return not self._quiet and self._console.is_terminal

    def show(self, ablations: list[dict[str, object]]) -> None:
        """`ablations`: entries of `status --json` that are still open."""
        if self._quiet:
            return
        for entry in ablations:
            counts: dict[str, int] = entry["jobs"]  # type: ignore[assignment]
            total, done = sum(counts.values()), counts["succeeded"]
            note = self._note(entry, counts)
            if self._fancy:
                self._bar(entry, total, done, note)
            else:
                self._line(f"{entry['name']}: {done}/{total} jobs{', ' + note if note else ''}")

    @staticmethod
    def _note(entry: dict[str, object], counts: dict[str, int]) -> str:
        runs: list[dict[str, object]] = entry["runs"]  # type: ignore[assignment]
        parts = [
            f"{run['arm']}/{run['seed']} {run['step']}/{run['target_steps']}"
            for run in runs
            if run["step"] != run["target_steps"] and run["step"]
        ]
        if counts["failed"]:
            parts.append(f"{counts['failed']} failed")
        return ", ".join(parts)

    def _bar(self, entry: dict[str, object], total: int, done: int, note: str) -> None:
        key = int(str(entry["id"]))
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(str(entry["name"]), total=total, note="")
        self._progress.update(self._bars[key], completed=done, total=total, note=note)  # type: ignore[arg-type]

    def _line(self, line: str) -> None:
        now = time.monotonic()
        if line != self._last_line and now >= self._next_line:
            print(line, file=sys.stderr, flush=True)
            self._last_line, self._next_line = line, now + _LINE_SECONDS
