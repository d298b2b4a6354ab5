"""Being told that this machine goes away: by a file that appears, or an address that starts to tell so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from settings.clock import steady
from settings.regular import UnfitFile, open_regular
from workers.notice_address import NoticeAddress
from workers.notice_words import NOTHING, Said

#: Clouds give notice 30 to 120 s ahead.
_LOOK_SECONDS = 2.0
_LONGEST_NOTICE_BYTES = 4096


class Notice:
    """Watches from a thread of its own, as an address may take its time. `given` says what came."""

    def __init__(self, file: Path | None, url: str | None) -> None:
        self.given: str | None = None
        self._ends_at: float | None = None
        self._address = None if url is None else NoticeAddress(url)
        self._sources: list[Callable[[], Said]] = []
        if file is not None:
            self._sources.append(lambda: Said(notice_in_file(file)))
        if self._address is not None:
            self._sources.append(self._address.look)
        self._done = threading.Event()
        if self._sources:
            threading.Thread(target=self._watch, name="notice", daemon=True).start()

    @property
    def left_seconds(self) -> float | None:
        """Until the machine goes away; None where no notice said when."""
        return None if self._ends_at is None else self._ends_at - steady()

    @property
    def troubles(self) -> list[str]:
        """What keeps the address from warning."""
        trouble = None if self._address is None else self._address.trouble
        return [] if trouble is None else [trouble]

    def stop(self) -> None:
        self._done.set()

    def _watch(self) -> None:
        while self.given is None and not self._done.is_set():
            for look in self._sources:
                said = look() if self.given is None else NOTHING
                if said.left_seconds is not None:
                    self._ends_at = steady() + said.left_seconds
                self.given = self.given or said.notice
            self._done.wait(_LOOK_SECONDS)


def notice_in_file(file: Path) -> str | None:
    """The file's first line once it exists ('notice' when it is empty)."""
    try:
        with open_regular(file) as stream:
            text = stream.read(_LONGEST_NOTICE_BYTES).decode(errors="replace").strip()
    except UnfitFile:  # it exists, whatever it is
        return "notice"
    except OSError:
        return None
    return text.splitlines()[0][:200] if text else "notice"


def notice_at(url: str) -> str | None:
    """What the address tells, unless nothing is planned, or it cannot be reached or understood."""
    return NoticeAddress(url).look().notice
