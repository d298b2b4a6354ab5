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


def typed(words: str, home: Home | None = None) -> str:
    """`words` as a line for a shell, of this home where one is given."""
    start = program() if program() == "baton" else f"python {program()}"
    return f"{start} {words}" if home is None else f"{start} --home {home.argument} {words}"
