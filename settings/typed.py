"""Commands as people type them, for messages that say how to go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings.home import Home


#: Under this key a command's context holds the home that it works on.
HOME_KEY = "baton.home"


def program() -> str:
    """`baton` where it was installed under that name, else the file's own: the name that shell completion goes by."""
    return "baton" if sys.argv[0].endswith("/baton") else "cli.py"


def interpreter() -> str:
    """What a shell in the working folder calls the Python of this process: `python` where that leads to it, else its
    file, as of an environment that is not activated."""
    import shlex  # where something is said; help alone needs none of them
    import shutil
    from pathlib import Path

    own = Path(sys.executable)
    found = shutil.which("python")
    if found is not None and Path(found).absolute().parent == own.parent:
        return "python"
    try:
        here = Path.cwd()
    except OSError:  # a working folder that is gone
        here = own
    return shlex.quote(str(own.relative_to(here)) if own.is_relative_to(here) else str(own))


def typed(words: str, home: Home | None = None) -> str:
    """`words` as a line for a shell, of this home where one is given."""
    start = program() if program() == "baton" else f"{interpreter()} {program()}"
    return f"{start} {words}" if home is None else f"{start} --home {home.argument} {words}"
