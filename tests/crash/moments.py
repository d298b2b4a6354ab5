"""Dying, or an error of the machine, at the n-th moment of this process.

Moments of death are commits, syncs, links, renames, unlinks, published messages and writes of `os.write`: each is two,
before and after; between the two of a write lies half of its bytes. Moments of faults are all openings, listings,
syncs, links, renames, unlinks and writes of files below a folder: one of them raises an OSError instead.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import Connection

_lock = threading.Lock()
_passed = 0
_fatal = -1
_names: list[str] = []

_root = ""
_faults = 0
_faulty = -1
_number = 0
_fault_names: list[tuple[str, str]] = []
#: Files that the disk never gives back again, by inode: EIO of something that was opened for reading.
_bad: set[int] = set()

_readlink = os.readlink
_fstat = os.fstat


def install() -> None:
    """Number the moments of this process. Once; forked children inherit it."""
    for name in ("fsync", "link", "replace", "rename", "unlink", "write"):
        setattr(os, name, _numbered(name, _failing(name, getattr(os, name))))
    for module, name in ((os, "open"), (os, "scandir"), (os, "listdir"), (io, "open"), (builtins, "open")):
        setattr(module, name, _failing("open" if name == "open" else "list", getattr(module, name)))
    Connection._commit_impl = _numbered("commit", Connection._commit_impl)  # type: ignore[method-assign]
    Celery.send_task = _numbered("publish", Celery.send_task)  # type: ignore[method-assign]


def arm(moment: int) -> None:
    """Count from zero, and die at that moment (never, for -1)."""
    global _passed, _fatal
    _passed, _fatal = 0, moment
    _names.clear()


def arm_fault(root: Path | None, moment: int, number: int) -> None:
    """Count from zero what is done below `root` (nothing, for None), and fail with `number` at that moment."""
    global _root, _faults, _faulty, _number
    _root, _faults, _faulty, _number = "" if root is None else str(root), 0, moment, number
    _fault_names.clear()
    _bad.clear()


def passed() -> list[str]:
    """Names of the moments of death so far."""
    return list(_names)


def passed_faults() -> list[tuple[str, str]]:
    """Names of the moments of faults so far, and of the kind of file of each."""
    return list(_fault_names)


def broke_a_file() -> bool:
    """Whether some file will never be read again."""
    return bool(_bad)


def pass_by(name: str, last: Callable[[], Any]) -> None:
    """A moment of death of the caller's own. last: what is still done by who dies there."""
    _moment(name, last)


def _numbered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if name == "write":
            if not _is_file(args[0]):
                return function(*args, **kwargs)
            _moment("before write", lambda: function(args[0], args[1][: len(args[1]) // 2]))
        else:
            _moment(f"before {name}")
        result = function(*args, **kwargs)
        _moment(f"after {name}")
        return result

    return wrapper


def _moment(name: str, last: Callable[[], Any] = lambda: None) -> None:
    global _passed
    with _lock:
        _names.append(name)
        number, _passed = _passed, _passed + 1
    if number == _fatal:
        last()
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # another thread may be the one that gets it


def _failing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _root and args and (place := _place(args[0])).startswith(_root):
            _fault(name, place, reads=name == "open" and _reads(args[1:2], kwargs))
        return function(*args, **kwargs)

    return wrapper


def _fault(name: str, place: str, reads: bool) -> None:
    global _faults
    with _lock:
        _fault_names.append((f"{name} for reading" if reads else name, _kind(place)))
        number, _faults = _faults, _faults + 1
    if reads and _bad and _inode(place) in _bad:
        raise OSError(_number, os.strerror(_number), place)
    if number == _faulty:
        # A folder that is gone for good is told, again and again: nothing can be stored in it.
        if reads and _number == errno.EIO and "/artifacts/" in place and Path(place).is_file():
            _bad.add(_inode(place))
        raise OSError(_number, os.strerror(_number), place)


def _kind(place: str) -> str:
    """What a file is for: the first folder of the home that it is in, or its name in the home or the store."""
    first, *rest = Path(place).relative_to(_root).parts or ("the home",)
    return f"{first}/{rest[0]}" if rest and rest[0].startswith(".") and first == "artifacts" else first


def _inode(place: str) -> int:
    try:
        return Path(place).stat().st_ino
    except OSError:
        return -1


def _reads(mode: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    given = mode[0] if mode else kwargs.get("mode", "r")
    if isinstance(given, int):
        return not given & (os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY)
    return not set(given) & set("wax+")


def _is_file(descriptor: Any) -> bool:
    """Threads wake each other, and processes answer, through pipes and sockets."""
    return _place(descriptor).startswith("/") and not _place(descriptor).startswith("/dev/pts")


def _place(named: Any) -> str:
    if isinstance(named, int):
        try:
            return _readlink(f"/proc/self/fd/{named}")
        except OSError:
            return ""
    return os.fspath(named) if isinstance(named, (str, os.PathLike)) else ""
