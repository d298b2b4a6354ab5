"""Watching a home: a screen on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.live import Live

from views.console import Console
from views.status_lines import StatusLines
from views.status_screen import status_screen
from views.terminal import redraws


def watch_status(look: Callable[[], dict[str, Any]], interval: float, as_json: bool) -> None:
    """Show what `look` returns, every `interval` seconds, until no ablation is running. Ctrl-C ends it too.

    A terminal shows the screen and keeps its last state; pipes, notebooks and logs get lines that differ from
    those before; `as_json` prints each document on a line of its own.
    """
    console = Console()
    try:
        if as_json:
            _each(look, interval, lambda document: print(json.dumps(document), flush=True))
        elif redraws(sys.stdout):
            _screen(console, look, interval)
        else:
            _each(look, interval, StatusLines(sys.stdout, awaits=True))
    except KeyboardInterrupt:
        console.file.flush()


def _screen(console: Console, look: Callable[[], dict[str, Any]], interval: float) -> None:
    def draw(document: Mapping[str, Any]) -> None:
        live.update(
            status_screen(document, time.time(), console.width, console.height), refresh=True
        )  # the console measures the terminal anew each time

    with Live(console=console, screen=True, auto_refresh=False) as live:
        last = _each(look, interval, draw)
    console.print(status_screen(last, time.time(), console.width))


def _each(
    look: Callable[[], dict[str, Any]], interval: float, show: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Returns the last document: the first in which nothing is running."""
    while True:
        document = look()
        show(document)
        if not any(entry["state"] == "running" for entry in document["ablations"]):
            return document
        time.sleep(interval)
