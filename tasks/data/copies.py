"""A copy of a dataset on the Hub, and which files of it have to be here (`calvin.needed`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from calvin.needed import Lists, Need, needed
from hub.copies import Copy
from hub.files import HubFile

#: What is needed; the lists are here.
Asked = Callable[[Lists], Need]


class SetCopy:
    """Its listing and its lists are read once, however often they are asked: those of a commit never change."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy

    @cached_property
    def below(self) -> dict[str, HubFile]:
        """All files of it by their paths below its folder. Raises as `Copy.listing`."""
        above = len(self.copy.name.path) + 1 if self.copy.name.path else 0
        return {file.path[above:]: file for file in self.copy.listing()}

    @cached_property
    def lists(self) -> Lists:
        """Raises as `Copy.listing`."""
        return Lists(self.copy.place, self.below)

    @cached_property
    def list_files(self) -> list[HubFile]:
        """Those that tell which others are needed. Raises as `Copy.listing`."""
        return [self.below[path] for path in self.lists.files]

    def files_for(self, need: Need) -> list[HubFile]:
        """Those that are needed; its lists are here. Raises as `needed`."""
        return [self.below[path] for path in needed(self.lists, need)]
