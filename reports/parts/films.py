"""Films of what failed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from reports.data import ReportData
from reports.section import Part
from reports.summary import Summary


@dataclass(frozen=True)
class Video:
    """A failed subtask. `data`: an mp4 file."""

    caption: str
    data: bytes


@dataclass(frozen=True)
class Films(Part):
    """`reason`: why there are none, where there are none."""

    template = "reports.parts/films.html"

    films: tuple[Video, ...] = ()
    reason: str | None = None

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        if not self.films and not self.reason:
            return None
        return {"films": [(film.caption, _uri(film.data)) for film in self.films], "reason": self.reason}

    def document(self) -> Mapping[str, object]:
        return {"videos": [film.caption for film in self.films], "videos_reason": self.reason}


def _uri(data: bytes) -> str:
    return "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")
