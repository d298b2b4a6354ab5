"""Holding a home: one foreground command at a time."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from errors import HomeInUse


@contextmanager
def held(root: Path, lock: Path, command: str) -> Iterator[None]:
    """Hold the home at `root` by the file `lock` in it; both die with the process.

    Raises HomeInUse when another living process holds it.
    """
    with ExitStack() as opened:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        opened.callback(os.close, file)
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, folder)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock_folder(folder)
        except BlockingIOError:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip() or "another command"
            raise HomeInUse(
                f"{root} is already being run by {holder}; wait for it, use another --home, "
                f"or add work to it with submit-ablation --detach"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"'{command}' (process {os.getpid()} on {socket.gethostname()})".encode(), 0)
        yield


def _lock_folder(folder: int) -> None:
    """What cleans temporary folders removes old files, this lock too, and a second command would make another. A
    folder outlives its files; systemd-tmpfiles also passes by what is below a locked one.

    NFS and its like lock no folders: there the file is all there is. Raises BlockingIOError.
    """
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass
