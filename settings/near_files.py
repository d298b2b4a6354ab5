"""A file or folder beside one that is not there, which somebody who mistyped its name may have meant."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

#: Of a folder so many names are compared, in the order that it gives them.
_MOST_NAMES = 2000

#: Of a path in a message.
_LONGEST = 400


def near_place(path: Path, *, folders: bool = False) -> str:
    """`; did you mean one.bundle?`, in the folder as it was written, or nothing: also where `path` is there, or its
    folder cannot be read. folders: whether a folder is meant, else a file. It ends a sentence."""
    from settings.shown import cut  # on use: all commands need what reads files
    from settings.suggestions import nearest

    if not path.name or os.path.lexists(path):
        return ""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES) if entry.is_dir() == folders]
    except OSError:
        return ""
    near = nearest(path.name, names)
    return "" if near is None else f"; did you mean {cut(str(path.with_name(near)), _LONGEST)}?"
