"""Whether a stream is a place for bars that redraw themselves."""

from __future__ import annotations

import os
from typing import TextIO

#: Notebooks run commands in a pseudo-terminal that moves no cursor. Jupyter, Colab and Kaggle set this.
_NOTEBOOK = "JPY_PARENT_PID"


def redraws(stream: TextIO) -> bool:
    """False for pipes and files, dumb terminals, cells of notebooks, and the logs of CI: those get plain lines."""
    if not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return False
    return _NOTEBOOK not in os.environ and os.environ.get("CI", "").lower() in ("", "0", "false")
