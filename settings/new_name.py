"""A file gets a name that nothing has: in one step where its file system can do that, else by a second name."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
from pathlib import Path

logger = logging.getLogger("baton.files")

#: What file systems answer that have no second name for a file.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})

#: Kernels and file systems (NFS) that know no rename(2) with a condition.
_NO_CONDITION = frozenset({errno.EINVAL, errno.ENOSYS})

#: linux/fs.h and linux/fcntl.h.
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100


def give_new_name(file: Path, target: Path) -> None:
    """It is called `target` then, and nothing else. Raises FileExistsError where that is something already; OSError.

    Where neither is to be had, something that came there in the same moment is replaced: that is told.
    """
    try:
        _rename_to_nothing(file, target)
    except OSError as error:
        if error.errno not in _NO_CONDITION:
            raise
        _link_and_unlink(file, target)


def need_nothing(target: Path) -> None:
    """Raises FileExistsError."""
    if target.exists() or target.is_symlink():
        raise _is_there(target)


def _rename_to_nothing(file: Path, target: Path) -> None:
    """renameat2(2), which Python does not have."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if rename(_AT_FDCWD, os.fsencode(file), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _link_and_unlink(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except FileExistsError:  # NFS says so too where it did it and its answer was lost
        if not os.path.samestat(file.lstat(), target.lstat()):
            raise _is_there(target) from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        need_nothing(target)
        logger.warning(
            "%s: its file system knows no links, so what came there in the same moment would be replaced",
            target,
        )
        file.rename(target)
        return
    file.unlink()


def _is_there(target: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
