"""Whose a file is, and what is said where this process may not use it."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from errors import InvalidInput
from settings.faults import need_fact

#: For `os.access`, which says no instead of raising an error in a folder that may not be looked into.
THERE, READ, WRITE, FOLDER = os.F_OK, os.R_OK, os.R_OK | os.W_OK, os.R_OK | os.W_OK | os.X_OK

#: The file system's own, at the root of a disk that is mounted somewhere in a home.
_NOT_OURS = "lost+found"


def owner_of(path: Path) -> str:
    """The login name of a file's owner, or `user 1234` where that user has none. Raises OSError."""
    return user_name(path.stat().st_uid)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def is_on_read_only_disk(path: Path) -> bool:
    """False where that cannot be told."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def refusal(what: str, path: Path, remedy: str = "") -> InvalidInput:
    """One sentence: `what` ("read", "write") cannot be done to `path`, whose that is, and the remedy."""
    seen = path
    while not _is_visible(seen) and seen != seen.parent:
        seen = seen.parent
    about = "it" if seen == path else str(seen)
    sentence = f"cannot {what} {path}: {_why(seen, about)}"
    return InvalidInput(f"{sentence}; {remedy}" if remedy else sentence)


def not_usable(folder: Path, how: int) -> Iterator[Path]:
    """What lies anywhere below `folder` and cannot be used by this process: folders, and files of others.

    how: what is wanted of files. A folder that is not there holds nothing; links are not followed into folders.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError as error:  # gone meanwhile, or named by whoever looked at the folder itself
        need_fact(error)
        return
    for entry in entries:
        if entry.name == _NOT_OURS:
            continue
        with suppress(FileNotFoundError):  # a link to nothing, or removed meanwhile
            status, path = entry.stat(), Path(entry.path)
            is_folder = entry.is_dir(follow_symlinks=False)
            wanted = FOLDER if is_folder else how
            concerns = is_folder or (status.st_uid != os.geteuid() and not stat.S_ISSOCK(status.st_mode))
            if concerns and not os.access(path, wanted) and os.access(path, THERE):
                yield path
            if is_folder:
                yield from not_usable(path, how)


def _is_visible(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True


def _why(path: Path, about: str) -> str:
    if is_on_read_only_disk(path):
        return "the file system is read-only"
    with suppress(OSError):
        if path.stat().st_uid == os.geteuid():
            return f"{about} has mode {stat.S_IMODE(path.stat().st_mode):04o}"
    return f"{about} belongs to {owner_of(path)}"
