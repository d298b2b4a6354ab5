"""One line of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

OK, MISSING, WARNING = "ok", "missing", "warning"


@dataclass(frozen=True)
class Finding:
    """What was found under `name`. `remedy` says how to get what is missing or mend what is doubtful.

    needed: without it no ablation runs with the embedded default.
    """

    area: str
    name: str
    state: str  # ok, missing, warning
    detail: str
    remedy: str | None = None
    needed: bool = False


def version_of(distribution: str) -> str | None:
    """The installed version, read without importing anything."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
