"""Running a module of Baton's own in another process."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
#: `python -m` looks into the working folder first, where people have a `tasks` or `models` of their own.
_RUN = (
    "import sys; root, name = sys.argv[1:3]; del sys.argv[1:3]; sys.path = [root, *filter(None, sys.path)]; "
    "import runpy; runpy.run_module(name, run_name='__main__', alter_sys=True)"
)


def command_of(module: str, *arguments: str) -> list[str]:
    """What starts it as `__main__` with this interpreter, whatever lies in the working folder or on PYTHONPATH."""
    return [sys.executable, "-c", _RUN, str(_ROOT), module, *arguments]
