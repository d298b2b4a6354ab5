"""Which files of a copy of a dataset on the Hub have to be here (`calvin.needed`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from calvin.needed import Need, lists_of, needed
from hub.copies import Copy
from hub.files import HubFile

#: What is needed, by the folder of the copy and the paths of all files below it; their lists are here.
Asked = Callable[[Path, Sequence[str]], Need]


def paths_below(copy: Copy) -> dict[str, HubFile]:
    """All files of it by their paths below its folder. Raises as `Copy.listing`."""
    above = len(copy.name.path) + 1 if copy.name.path else 0
    return {file.path[above:]: file for file in copy.listing()}


def lists_in(copy: Copy) -> list[HubFile]:
    """Those that tell which others are needed. Raises as `Copy.listing`."""
    below = paths_below(copy)
    return [below[path] for path in lists_of(list(below))]


def files_for(copy: Copy, need: Need) -> list[HubFile]:
    """Those that are needed; its lists are here. Raises as `needed`."""
    below = paths_below(copy)
    return [below[path] for path in needed(copy.place, list(below), need)]


def needed_in(copy: Copy, asked: Asked) -> Need:
    """Its lists are here. Raises as `asked` does."""
    return asked(copy.place, list(paths_below(copy)))
