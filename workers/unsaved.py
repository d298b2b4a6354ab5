"""Whether a worker's attempt holds steps that the state does not: a flag that its supervisor sees at any moment.

The worker's interpreter may be held for seconds by an import, and the state hears from it every few seconds only, so
the flag is a byte of memory that both map (memfd_create(2)): a full disk cannot take it away.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import MutableMapping

#: Names the descriptor that a worker was given.
UNSAVED_VARIABLE = "BATON_UNSAVED_FD"


class Unsaved:
    """One flag, `anything`, which whoever maps it reads and sets."""

    def __init__(self, descriptor: int | None = None) -> None:
        """descriptor: of a file that holds the byte; None: the flag is this process's alone."""
        self._memory = mmap.mmap(-1 if descriptor is None else descriptor, 1)

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str] = os.environ) -> Unsaved:
        """That of whoever started this process, else its own. What this process starts in turn does not get it."""
        given = environment.pop(UNSAVED_VARIABLE, None)
        if given is None:
            return cls()
        descriptor = int(given)
        flag = cls(descriptor)
        os.close(descriptor)
        return flag

    def close(self) -> None:
        self._memory.close()

    @property
    def anything(self) -> bool:
        return self._memory[0] != 0

    @anything.setter
    def anything(self, value: bool) -> None:
        self._memory[0] = int(value)


class Shared:
    """The flag of one child process after another, which are given `descriptor`."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("baton-unsaved")
        os.ftruncate(self.descriptor, 1)
        self.flag = Unsaved(self.descriptor)

    def close(self) -> None:
        self.flag.close()
        os.close(self.descriptor)
