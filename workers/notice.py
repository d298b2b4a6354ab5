"""Being told that this machine goes away: by a file that appears, or an address that starts to answer.

AWS: http://169.254.169.254/latest/meta-data/spot/instance-action answers 404 until the notice (120 s ahead).
Google: http://metadata.google.internal/computeMetadata/v1/instance/preempted answers FALSE, then TRUE.
"""

from __future__ import annotations

import http.client
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

#: Clouds give notice 30 to 120 s ahead.
_LOOK_SECONDS = 2.0
_TIMEOUT_SECONDS = 1.0

#: What an address says that answers although nothing is planned.
_NOTHING = frozenset({"", "false", "none"})

#: Google refuses requests without it; the others ignore it.
_HEADERS = {"Metadata-Flavor": "Google"}


class Notice:
    """Watches from a thread of its own, as an address may take its time. `given` says what came."""

    def __init__(self, file: Path | None, url: str | None) -> None:
        self.given: str | None = None
        self._sources: list[Callable[[], str | None]] = []
        if file is not None:
            self._sources.append(lambda: notice_in_file(file))
        if url is not None:
            self._sources.append(lambda: notice_at(url))
        self._done = threading.Event()
        if self._sources:
            threading.Thread(target=self._watch, name="notice", daemon=True).start()

    def stop(self) -> None:
        self._done.set()

    def _watch(self) -> None:
        while self.given is None and not self._done.is_set():
            for look in self._sources:
                self.given = self.given or look()
            self._done.wait(_LOOK_SECONDS)


def notice_in_file(file: Path) -> str | None:
    """The file's first line once it exists ('notice' when it is empty)."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return text.splitlines()[0][:200] if text else "notice"


def notice_at(url: str) -> str | None:
    """What the address answers, unless that means nothing is planned, or it cannot be reached or understood."""
    try:
        request = urllib.request.Request(url, headers=_HEADERS)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            text = answer.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return None if text.lower() in _NOTHING else text.splitlines()[0][:200]
