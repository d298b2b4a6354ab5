"""Files that are there whole or not at all, whatever happens: written aside, synced, renamed.

Everything that Baton writes for itself or for people goes this way (`tests/test_writes.py` holds it). Locks, logs and
what is appended line by line cannot, nor need it what lies in a scratch folder until the store names it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from settings.new_name import give_new_name, need_nothing

_LONGEST_NAME_BYTES = 255


def sync(path: Path) -> None:
    """Returns when the file, or the names in the folder, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """The names in the folder are on the disk when it returns, where its file system syncs folders and it is open to
    reading: people ask for files in others too. Raises OSError."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES):
            raise


def write(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """The file holds the content and is on the disk when it returns; until then it is as it was. Raises OSError.

    mode: of a file that was not there, less what the process's umask takes. Text is written in UTF-8.
    """
    data = content.encode() if isinstance(content, str) else content
    with whole(path, mode=mode) as stream:
        stream.write(data)
        stream.flush()
        found = os.fstat(stream.fileno())
        written = found.st_size
        if stat.S_ISREG(found.st_mode) and written != len(data):
            raise OSError(errno.EIO, f"{written} of {len(data)} bytes were kept", str(path))


def lies_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def append(descriptor: int, content: bytes) -> None:
    """All of it is at the file's end, on the disk, when it returns. Raises OSError, with a part of it kept.

    A device or pipe takes it, and has no disk.
    """
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


@contextmanager
def whole(path: Path, *, mode: int = 0o666, new: bool = False, wait: bool = True) -> Iterator[BinaryIO]:
    """What is written to the stream becomes the file at `path` when the block ends well, and is gone otherwise.

    Who writes the same file at the same time waits for the other, or gets BlockingIOError (not `wait`). The lock is
    the stream's and ends with its last descriptor. new: raises FileExistsError where something is there, also when
    that came meanwhile. A link is followed, and a file that is replaced keeps its mode; devices and pipes are written
    to as they are. Raises OSError.
    """
    if not new and is_stream(path):
        with path.open("wb") as stream:
            yield stream
        return
    target = path if new else Path(os.path.realpath(path))
    with _alone(target, mode, wait) as (aside, stream):
        if new:
            need_nothing(target)
        else:
            _take_mode(stream.fileno(), target)
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
        if new:
            give_new_name(aside, target)
        else:
            aside.replace(target)
    sync_names(target.parent)


@contextmanager
def written_at(path: Path) -> Iterator[Path]:
    """As `whole`, for libraries that want a path: it ends as `path` does. Raises OSError."""
    if is_stream(path):
        yield path
        return
    target = Path(os.path.realpath(path))
    with _alone(target, 0o666, wait=True) as (aside, _):
        draft = aside_of(aside)  # a library may make its file anew, without the lock
        draft.unlink(missing_ok=True)
        try:
            with draft.open("xb") as stream:
                _take_mode(stream.fileno(), target)
            yield draft
            sync(draft)
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
    sync_names(target.parent)


def aside_of(path: Path) -> Path:
    """Where `path` is written: in its folder, where a rename is one step."""
    name = f".partial.{path.name}"
    if len(os.fsencode(name)) > _LONGEST_NAME_BYTES:
        name = f".partial.{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{path.suffix[:32]}"
    return path.with_name(name)


def is_stream(path: Path) -> bool:
    """A device, pipe or the like (/dev/null, /dev/stdout): it takes what comes, and is not to be replaced by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def _alone(target: Path, mode: int, wait: bool) -> Iterator[tuple[Path, BinaryIO]]:
    """`aside_of(target)`, empty and locked; gone at the end, unless it has another name by then."""
    aside = aside_of(target)
    with _made_and_locked(aside, mode, wait) as stream:
        try:
            yield aside, stream
        finally:
            with suppress(OSError):
                if lies_at(stream.fileno(), aside):
                    aside.unlink()


def _take_mode(descriptor: int, target: Path) -> None:
    with suppress(OSError):  # a new file, or a file system without modes
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))


def _made_and_locked(aside: Path, mode: int, wait: bool) -> BinaryIO:
    """An empty file of ours. One that a killed process left is removed; one that a living one writes is waited for."""
    while True:
        flags, is_mine = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, True
        try:
            descriptor = os.open(aside, flags | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            is_mine = False
            try:
                descriptor = os.open(aside, flags)
            except FileNotFoundError:  # it got its name meanwhile
                continue
        try:
            _lock(descriptor, wait)
            # Whoever waited may hold what has its name by now, or what another removed.
            if lies_at(descriptor, aside):
                if is_mine:
                    return os.fdopen(descriptor, "w+b")
                aside.unlink()
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # a file system without locks
            raise
