"""Being told that this machine goes away: by a file that appears, or an address that starts to tell so."""

from __future__ import annotations

import threading
from pathlib import Path

from settings.clock import steady
from views.notice_address import NoticeAddress
from views.notice_file import NoticeFile
from views.notice_words import Said

#: Clouds give notice 30 to 120 s ahead.
_LOOK_SECONDS = 2.0


class Notice:
    """Watches file and address, each from a thread of its own, as each may take its time. `given` says what came
    first."""

    def __init__(self, file: Path | None, url: str | None) -> None:
        self.given: str | None = None
        self._ends_at: float | None = None
        self._sources: list[NoticeFile | NoticeAddress] = []
        if file is not None:
            self._sources.append(NoticeFile(file))
        if url is not None:
            self._sources.append(NoticeAddress(url))
        self._hearing = threading.Lock()
        self._done = threading.Event()
        for source in self._sources:
            threading.Thread(target=self._watch, args=(source,), name="notice", daemon=True).start()

    @property
    def left_seconds(self) -> float | None:
        """Until the machine goes away; None where no notice said when."""
        return None if self._ends_at is None else self._ends_at - steady()

    @property
    def troubles(self) -> list[str]:
        """What keeps a file or an address from warning."""
        return [source.trouble for source in self._sources if source.trouble is not None]

    def stop(self) -> None:
        self._done.set()

    def _watch(self, source: NoticeFile | NoticeAddress) -> None:
        while self.given is None and not self._done.is_set():
            self._hear(source.look())
            self._done.wait(_LOOK_SECONDS)

    def _hear(self, said: Said) -> None:
        with self._hearing:
            if said.notice is None or self.given is not None:
                return
            if said.left_seconds is not None:
                self._ends_at = steady() + said.left_seconds
            self.given = said.notice
