"""How files that others may have made are opened for reading: regular ones only, and no more of them than is known for.

A FIFO would keep its reader waiting, a device may have no end or do something when it is opened, and the size of
either says nothing. So what a name leads to is looked at before it is opened, and again once it is.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from errors import BatonError
from settings.faults import need_fact
from settings.near_files import near_place
from settings.not_downloaded import what_came_to

#: Of a text that is read whole: JSON, lists of words. The largest known tokenizer takes half of it.
MOST_TEXT_BYTES = 64 << 20
#: Of YAML, whose characters have a limit too (`settings.document_limits`).
MOST_YAML_BYTES = 4 << 20

# A FIFO without a writer would block; a terminal would become this process's own.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnfitFile(OSError):
    """No regular file, a larger one than is read, or what came instead of it. `strerror` says which, without the name.

    Its number is none of those by which a machine that fails is known: the file is at fault.
    """

    def __str__(self) -> str:
        return str(self.strerror)


def open_regular(path: Path, most: int | None = None) -> io.BufferedReader:
    """The file at `path`, or where the link leads, open for reading.

    most: bytes it may have. Raises UnfitFile for another kind of file and a larger one, which is then not opened, and
    for what a failed download left in its place; OSError as `open` does.
    """
    need_regular(path, most)
    descriptor = os.open(path, _FLAGS)
    try:
        _check(os.fstat(descriptor), path, most)  # of what was opened: the name may have gone to another
        if (came := what_came_to(path.name, descriptor)) is not None:
            raise UnfitFile(errno.EINVAL, came, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def need_regular(path: Path, most: int | None = None) -> None:
    """As `open_regular`, for libraries that open by name; nothing is opened. Raises UnfitFile, OSError."""
    _check(path.stat(), path, most)


def need_regular_files(folder: Path, error: type[BatonError], patterns: Iterable[str] = ("*",)) -> None:
    """The same of all that a library may open in `folder` itself, but for folders and links to nothing.

    Raises `error`: one sentence that names the file.
    """
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            try:
                open_regular(path).close()
            except UnfitFile as fault:
                raise error(f"{path} cannot be read: {fault}") from None
            except OSError as fault:
                need_fact(fault)


def read_bytes(path: Path, most: int) -> bytes:
    """All of the file. Raises as `open_regular`, also where it is longer than it said."""
    with open_regular(path, most) as stream:
        content = stream.read(most + 1) or b""  # None of a file of /proc that would be waited for
    if len(content) > most:
        raise _too_large(path, f"more than {most} bytes", most)
    return content


def read_text(
    path: Path, most: int = MOST_TEXT_BYTES, *, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """All of the file as text, with line ends as Python has them. Raises as `read_bytes`, and UnicodeDecodeError."""
    content = io.BytesIO(read_bytes(path, most))
    return io.TextIOWrapper(content, encoding, errors).read()


def text_of(path: Path, error: type[BatonError], most: int = MOST_TEXT_BYTES) -> str:
    """As `read_text` of UTF-8, but raises `error`: one sentence that names the file."""
    try:
        return read_text(path, most)
    except OSError as fault:
        need_fact(fault)
        raise error(f"{path} cannot be read: {fault.strerror}{near_place(path)}") from None
    except UnicodeDecodeError:
        raise error(f"{path} is no text in UTF-8") from None


def is_there(path: Path) -> bool:
    """Whether the name is taken, by whatever: what stands in a file's place is refused, not passed over."""
    return os.path.lexists(path)


def _check(found: os.stat_result, path: Path, most: int | None) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise UnfitFile(errno.EINVAL, f"it is {kind}, and only regular files are read", str(path))
    if most is not None and found.st_size > most:
        raise _too_large(path, f"{found.st_size} bytes", most)


def _too_large(path: Path, size: str, most: int) -> UnfitFile:
    return UnfitFile(errno.EINVAL, f"it has {size}, and at most {most} are read", str(path))
