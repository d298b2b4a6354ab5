"""Commands as people type them, for messages that say how to go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from settings.home import Home


#: Under this key a command's context holds the home that it works on.
HOME_KEY = "baton.home"


def program() -> str:
    """`baton` where it was installed under that name, else the file's own: the name that shell completion goes by."""
    return "baton" if sys.argv[0].endswith("/baton") else "cli.py"


def interpreter() -> str:
    """What a shell in the working folder calls the Python of this process: `python` where that leads to it, else its
    file, as of an environment that is not activated."""
    from pathlib import Path  # where something is said; help alone needs none of these

    return _called("python", Path(sys.executable))


def script() -> str:
    """What a shell in the working folder calls the program: `cli.py` with the interpreter before it, or `baton`."""
    from pathlib import Path

    if program() == "baton":
        return _called("baton", Path(sys.argv[0]).absolute())
    return f"{interpreter()} {_from_here(Path(__file__).resolve().parent.parent / 'cli.py')}"


def _called(name: str, file: Path) -> str:
    """The name alone where it leads to the folder of the file, which stays a link if it is one."""
    import shutil
    from pathlib import Path

    found = shutil.which(name)
    if found is not None and Path(found).absolute().parent == file.parent:
        return name
    return _from_here(file)


def _from_here(file: Path) -> str:
    import shlex
    from pathlib import Path

    try:
        here = Path.cwd()
    except OSError:  # a working folder that is gone
        here = file
    return shlex.quote(str(file.relative_to(here)) if file.is_relative_to(here) else str(file))


def typed(words: str, home: Home | None = None) -> str:
    """`words` as a line for a shell, of this home where one is given."""
    start = script()
    return f"{start} {words}" if home is None else f"{start} --home {home.argument} {words}"
