"""A home on a file system that other machines see too: what keeps it from being used, and what must work there."""

from __future__ import annotations

import errno
import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import InvalidInput
from settings.elsewhere import FILE, NETWORK_VARIABLE
from settings.file_system import network_kind
from settings.lease import Lease

#: What file systems answer that have no locks, or not as they are mounted.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def refusal(state: Path, what: str, asked_for: bool) -> InvalidInput | None:
    """Why an SQLite state is not worked with where it lies; None on a disk, or where it was asked for.

    what: it is, for messages.
    """
    kind = None if asked_for else network_kind(state)
    if kind is None:
        return None
    return InvalidInput(
        f"{what} is on a network file system ({kind}), where another machine that only looks can take SQLite's log "
        "away; put the home on a local disk and carry it as a bundle, or let PostgreSQL hold the state "
        f"(docs/several-machines.md), or, for one machine at a time, ask for it with {NETWORK_VARIABLE}=1 or "
        f"`network: true` in the home's {FILE}"
    )


def need_locks(folder: Path) -> None:
    """Raises InvalidInput where a network file system gives no locks, which processes of one machine need too."""
    kind = network_kind(folder)
    if kind is None:
        return
    with tempfile.TemporaryFile(dir=folder) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(stream, fcntl.LOCK_UN)  # NFS makes both kinds of one: they exclude each other there
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise InvalidInput(
                f"{folder} is on a network file system ({kind}) that gives no locks ({error.strerror}); mount it with "
                "them (Lustre: -o flock; NFS: with lockd), or put the home on another disk"
            ) from None


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Hold a lease in the folder, if other machines may see that. Raises HomeInUse."""
    if network_kind(folder) is None:
        yield
        return
    lease = Lease(folder / "lease", what)
    lease.take()
    try:
        yield
    finally:
        lease.release()
