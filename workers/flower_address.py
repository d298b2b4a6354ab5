"""Where this home's Flower listens, for those who want to link to it."""

from __future__ import annotations

import json
import os

import psutil

from settings.home import Home

_START_TOLERANCE_SECONDS = 1.0


def note_address(home: Home, url: str) -> None:
    """Call in the process that serves `url`; the note counts while that process lives."""
    process = psutil.Process(os.getpid())
    temporary = home.run / f".flower.json.{process.pid}"
    temporary.write_text(
        json.dumps({"url": url, "pid": process.pid, "started_at": process.create_time()}), encoding="ascii"
    )
    temporary.replace(home.run / "flower.json")


def running_flower(home: Home) -> str | None:
    """The address of this home's Flower on this machine, or None when none runs."""
    try:
        note = json.loads((home.run / "flower.json").read_text(encoding="ascii"))
        started_at = psutil.Process(note["pid"]).create_time()
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    alive = abs(started_at - note["started_at"]) < _START_TOLERANCE_SECONDS
    return str(note["url"]) if alive else None
