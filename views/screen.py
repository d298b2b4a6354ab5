"""What a foreground run shows while it works."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.live import Live

from views.console import Console
from views.status_lines import StatusLines
from views.status_screen import status_screen
from views.terminal import redraws

#: How often a terminal is redrawn, and how often it is looked whether a line is to be printed.
_DRAW_SECONDS, _LINE_SECONDS = 1.0, 5.0

#: However high the terminal, the screen takes no more lines of it.
_MOST_LINES = 30


class Screen:
    """Arms, bars, rates and workers on a terminal; now and then a line elsewhere. All on standard error.

    Work does not depend on being seen: a terminal that was closed, a pipe that nobody reads and a full disk are put up
    with.

    `look` returns the document of `status --json`; it is asked when something is to be shown. Use as a context
    manager: the last state stays on the terminal.
    """

    def __init__(self, look: Callable[[], dict[str, Any]], quiet: bool) -> None:
        self._look = look
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._lines = StatusLines(sys.stderr)
        self._next = 0.0

    def __enter__(self) -> Screen:
        if not self._quiet and redraws(sys.stderr):
            self._live = Live(console=self._console, auto_refresh=False)
            with contextlib.suppress(OSError):
                self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()

    def show(self, *, last: bool = False) -> None:
        """Show the present state if it is time to, and in any case when it is the `last` one."""
        if self._quiet or (time.monotonic() < self._next and not last):
            return
        self._next = time.monotonic() + (_LINE_SECONDS if self._live is None else _DRAW_SECONDS)
        document = self._look()
        with contextlib.suppress(OSError):
            if self._live is None:
                self._lines(document, leaves=last)
            else:
                height = min(self._console.height, _MOST_LINES)
                page = status_screen(document, time.time(), self._console.width, height, leaves=last)
                self._live.update(page, refresh=True)

    def say(self, line: str) -> None:
        """One line that stays, above the bars where there are any."""
        if self._quiet:
            return
        with contextlib.suppress(OSError):
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)
