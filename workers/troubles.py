"""What keeps the processes of a session from working, in sentences: for its screen, and for whoever asks elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import psutil

from settings import files
from settings.faults import need_fact
from settings.home import Home
from settings.processes import process_lives, process_space, process_start
from settings.shown import MORE, one_line

#: A log grows to this and goes on in a new file; one before it is kept.
LOG_BYTES = 16 * 2**20

#: Below this much room commits and checkpoints fail.
_ROOM_BYTES = 8 * 2**20

_NAME = "troubles"

_TAIL_BYTES, _LINE_LETTERS = 4096, 300


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, cut where it is long; 'no output' without one."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return "no output"
    said = [line.strip() for line in lines if line.strip()]
    return one_line(said[-1].removeprefix(MORE)[-_LINE_LETTERS:]) if said else "no output"


def room_trouble(home: Home) -> str | None:
    """Whether the home's file system has neither bytes nor files left."""
    try:
        room = os.statvfs(home.root)
    except OSError as error:
        return f"the home {home.root} cannot be read: {error.strerror}"
    if room.f_bavail * room.f_frsize < _ROOM_BYTES:
        return f"the disk at {home.root} is full: make room there, work goes on by itself"
    if room.f_files and not room.f_favail:
        return f"the disk at {home.root} holds no more files (inodes): remove some, work goes on by itself"
    return None


def cap_log(log: Path) -> None:
    """Empty a log that is too long, with its content kept beside it as `.1`. Who writes to it appends and goes on."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            with contextlib.suppress(OSError):  # a full disk keeps the newest lines only
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


def tell_troubles(home: Home, sentences: Sequence[str], who: str = "session") -> None:
    """Note them for other processes; the note counts while this one lives. who: names this one among its home's."""
    note = _note(home, who)
    with contextlib.suppress(OSError):  # this process still tells them
        if not sentences:
            note.unlink(missing_ok=True)
            return
        me = {"space": process_space(), "pid": os.getpid(), "began": process_start(os.getpid())}
        files.write(note, json.dumps({**me, "troubles": list(sentences)}), mode=0o600)


def troubles_of(home: Home) -> list[str]:
    """Those of the session that runs this home on this machine now, and of its workers."""
    return [sentence for note in sorted(home.run.glob(f"{_NAME}-*.json")) for sentence in _told(note)]


def forget_troubles(home: Home) -> None:
    """Remove the notes of processes that are gone."""
    for note in home.run.glob(f"{_NAME}*.json"):
        if not _told(note):
            note.unlink(missing_ok=True)


def _told(note: Path) -> list[str]:
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        alive = process_lives(content["space"], content["pid"], content["began"])
        return [str(sentence) for sentence in content["troubles"]] if alive else []
    except (OSError, ValueError, KeyError, TypeError, psutil.Error) as error:
        need_fact(error)
        return []


def _note(home: Home, who: str) -> Path:
    return home.run / f"{_NAME}-{quote(who, safe='')}.json"
