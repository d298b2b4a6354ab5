"""Dying at the n-th moment: every commit, fsync, rename and published message of this process is numbered.

Each is two moments, before and after. `arm(n)` makes the process kill itself at the n-th of them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from sqlalchemy import Connection

_lock = threading.Lock()
_passed = 0
_fatal = -1
_names: list[str] = []


def install() -> None:
    """Number the moments of this process. Once; forked children inherit it."""
    for module, name in ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "unlink")):
        setattr(module, name, _numbered(name, getattr(module, name)))
    Connection._commit_impl = _numbered("commit", Connection._commit_impl)  # type: ignore[method-assign]
    Celery.send_task = _numbered("publish", Celery.send_task)  # type: ignore[method-assign]


def arm(moment: int) -> None:
    """Count from zero, and die at that moment (never, for -1)."""
    global _passed, _fatal
    _passed, _fatal = 0, moment
    _names.clear()


def passed() -> list[str]:
    """Names of the moments so far."""
    return list(_names)


def _numbered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _moment(f"before {name}")
        result = function(*args, **kwargs)
        _moment(f"after {name}")
        return result

    return wrapper


def _moment(name: str) -> None:
    global _passed
    with _lock:
        _names.append(name)
        number, _passed = _passed, _passed + 1
    if number == _fatal:
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # another thread may be the one that gets it
