"""Folders that are there whole or not at all: filled aside, synced, renamed. Single files: `settings.files`."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from settings.files import aside_of, lies_at, sync, sync_names

#: What rename(2) answers where the name is a folder with something in it, or no folder.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


def need_free(path: Path) -> None:
    """Raises FileExistsError where something is there, and no empty folder; OSError where nothing can be there."""
    try:
        taken = next(path.iterdir(), None) is not None
    except FileNotFoundError:
        if not path.is_symlink():
            return
        taken = True
    except NotADirectoryError:
        if not os.path.lexists(path):  # what stands above it is no folder
            raise
        taken = True
    if taken:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """What is written into the folder that it gives becomes the one at `path` when the block ends well, and is gone
    otherwise.

    An empty folder is replaced. Raises FileExistsError where there is anything else, also when that came meanwhile;
    BlockingIOError where another process fills the same folder; OSError.
    """
    need_free(path)
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_of(target)
    descriptor = _made_and_locked(aside)
    try:
        yield aside
        for entry in sorted(aside.rglob("*")):
            sync(entry)
        sync_names(aside)
        _give_name(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)
    sync_names(target.parent)


@contextmanager
def continued_folder(path: Path) -> Iterator[Path]:
    """The folder beside `path` in which something is made that becomes `path` by `give_folder_name`: with what another
    process left in it. It is gone when the block ends well, and stays otherwise, unless nothing is in it.

    Raises as `whole_folder`.
    """
    need_free(path)
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_of(target)
    descriptor = _made_and_locked(aside, empty=False)
    try:
        yield aside
        shutil.rmtree(aside)
    except BaseException:
        with suppress(OSError):
            aside.rmdir()
        raise
    finally:
        os.close(descriptor)
    sync_names(target.parent)


def give_folder_name(folder: Path, path: Path) -> None:
    """It becomes `path`, in one step; whoever calls has synced what is in it. Raises FileExistsError where something is
    there, and no empty folder; OSError."""
    target = Path(os.path.realpath(path))
    _give_name(folder, target)
    sync_names(target.parent)


def forget_aside(path: Path) -> None:
    """What a killed process left of a `continued_folder` is gone. Raises BlockingIOError where one lives; OSError."""
    aside = aside_of(Path(os.path.realpath(path)))
    if aside.is_dir():
        descriptor = _made_and_locked(aside)
        try:
            aside.rmdir()
        finally:
            os.close(descriptor)


def _give_name(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        raise


def _made_and_locked(aside: Path, empty: bool = True) -> int:
    """A folder of ours, open and locked. What a killed process left is removed (`empty`); a living one keeps its."""
    while True:
        with suppress(FileExistsError):
            aside.mkdir()
        try:
            descriptor = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:  # it got its name meanwhile
            continue
        try:
            _lock(descriptor)
            # Whoever made it may have given it its name by now.
            if lies_at(descriptor, aside):
                if empty:
                    _empty(aside)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        # A file system without locks, or one (NFS) that locks only what is open for writing.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF):
            raise
