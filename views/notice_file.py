"""A file that tells that this machine goes away by being there."""

from __future__ import annotations

from pathlib import Path

from settings.regular import UnfitFile, open_regular
from settings.shown import cut
from views.notice_words import LETTERS, NOTHING, Said

_BYTES = 65536


class NoticeFile:
    """Ask with `look` as often as you like; `trouble` is what keeps the file from warning, in one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None

    def look(self) -> Said:
        """The file's first line once it exists ('notice' when that is empty). Raises nothing."""
        try:
            with open_regular(self.path) as stream:
                text = stream.read(_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            self.trouble = None
            return NOTHING
        except UnfitFile:  # it is there, whatever it is
            return Said("notice")
        except OSError as error:
            self.trouble = f"the notice file {self.path} cannot warn: {error.strerror or error}"
            return Said(trouble=self.trouble)
        self.trouble = None
        return Said(cut(text.splitlines()[0], LETTERS) if text else "notice")
