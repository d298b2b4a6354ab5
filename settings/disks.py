"""The disk that a folder lies on, also where the folder is yet to be made."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_at(folder: Path) -> int:
    """Bytes that are free there."""
    return shutil.disk_usage(_existing(folder)).free


def same_disk(one: Path, other: Path) -> bool:
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev


def _existing(folder: Path) -> Path:
    absolute = folder.absolute()
    return next(place for place in (absolute, *absolute.parents) if place.exists())
