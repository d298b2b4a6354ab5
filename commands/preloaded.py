"""Modules that a command needs at its end, imported while it still waits for others."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress

from settings.uncollected import imported


class Preloaded:
    """`begin` may be called any number of times. What cannot be imported is told of by whoever needs it."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="preload", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until all are there: of two threads that import the same modules, one may see a part of them."""
        if self._thread is not None:
            self._thread.join()

    def _load(self) -> None:
        with suppress(Exception), imported():
            for name in self._names:
                importlib.import_module(name)
