"""What a stream is good for: bars that redraw themselves, or plain lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from settings.streams import say

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Columns that a pipe gets; nothing is worth cutting there.
_PIPE_WIDTH = 160

#: Notebooks run commands in a pseudo-terminal that moves no cursor. Jupyter, Colab and Kaggle set this.
_NOTEBOOK = "JPY_PARENT_PID"


def redraws(stream: TextIO) -> bool:
    """False for pipes and files, dumb terminals, cells of notebooks, and the logs of CI: those get plain lines."""
    if not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return False
    return _NOTEBOOK not in os.environ and os.environ.get("CI", "").lower() in ("", "0", "false")


def show(draw: Callable[[int], RenderableType]) -> None:
    """Print `draw(width)` on standard output. In a pipe no line ends in blanks."""
    from views.console import Console

    console = Console()
    if console.is_terminal:
        console.print(draw(console.width))
        return
    console.width = _PIPE_WIDTH
    with console.capture() as captured:
        console.print(draw(console.width))
    for line in captured.get().removesuffix("\n").split("\n"):
        say(line.rstrip())
