"""What to type where Baton's libraries are not: in another Python than its own. Needs none of them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from settings.streams import say


def say_how() -> int:
    """One sentence on standard error; the exit code."""
    folder = Path(__file__).resolve().parent.parent
    python = folder / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        words = shlex.join([str(python), str(folder / "cli.py"), *sys.argv[1:]])
        how = f"this is not the Python of Baton's environment; type: {words}"
    else:
        make = f"make -C {shlex.quote(str(folder))} ablation"
        how = f"Baton's libraries are not installed for {sys.executable}; type: {make}"
    say(f"error: {how}", error=True)
    return 3
