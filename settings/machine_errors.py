"""Errors of the machine as people are told of them: one sentence and an exit code, wherever they came up."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from errors import BatonError, DiskFull, EnvironmentLacks, InvalidInput
from settings.faults import FULL, REFUSED, SHORTAGES, is_unreadable
from settings.ownership import refusal
from settings.regular import UnfitFile

#: What a path that was given may be, and no path of Baton's own is.
_NO_SUCH_PATH = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)

_GO_ON = "what was committed is safe: run the same command again"


def told(error: OSError | MemoryError) -> BatonError | None:
    """The error that says so; None where it is neither the machine's nor that of a path that was given,
    or of what lies there, but a bug."""
    if isinstance(error, MemoryError):
        return EnvironmentLacks(f"this machine is short of memory{_about(str(error))}; {_GO_ON}")
    if isinstance(error, FileNotFoundError) and error.filename is None and gone_folder():
        return InvalidInput("what was named without its whole path is not there")
    place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    if isinstance(error, UnfitFile):
        return InvalidInput(f"{place} cannot be read: {error}")
    if error.errno in REFUSED and place:
        return refusal("use", Path(place))
    if error.errno in _NO_SUCH_PATH and place:
        return InvalidInput(f"cannot use {place}: {error.strerror}")
    if error.errno in FULL:
        return DiskFull(f"the disk is full{_about(place)}; make room and run the same command again")
    if what := SHORTAGES.get(error.errno or 0):
        return EnvironmentLacks(f"this machine is short of {what}: {error.strerror}{_about(place)}; {_GO_ON}")
    if is_unreadable(error) or error.errno == errno.ESTALE:
        return EnvironmentLacks(f"the disk failed: {error.strerror}{_about(place)}; {_GO_ON}")
    return None


def gone_folder(said: str = "") -> str:
    """The end of a sentence where the working folder is gone, which no relative path survives; nothing elsewhere, or
    where that was `said`."""
    try:
        Path.cwd()
    except FileNotFoundError:
        told_already = "folder that is gone" in said
        return "" if told_already else "; the folder that this shell is in is gone: change to another"
    return ""


def _about(what: str) -> str:
    return f" ({what})" if what else ""
