"""What an OSError tells: something about a file, or about the machine at the moment.

A file that is not there is a fact. One that the disk does not give back counts as damaged once it was looked at a few
times. A machine that has too few open files, processes or bytes of memory has said nothing of any file.
"""

from __future__ import annotations

import errno
import mmap

#: What the machine, or this process, has too little of at the moment.
SHORTAGES = {
    errno.ENOMEM: "memory",
    errno.EAGAIN: "processes or threads",
    errno.EMFILE: "open files",
    errno.ENFILE: "open files",
}

#: The disk does not give back what was written, or its file system is damaged there (Linux's errno(3)).
UNREADABLE = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG, errno.ENODATA, errno.EREMOTEIO})

#: The disk, or the user's part of it, takes no more.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

#: The user, or whoever mounted the file system, has no right to it.
REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

#: A file that could not be read counts as damaged at this look: what passes by itself has had time to.
LOOKS = 3


def need_fact(error: BaseException) -> None:
    """Call before an error is taken for a fact about a file: raises it where it is the machine's alone."""
    if isinstance(error, OSError) and (error.errno in SHORTAGES or error.errno == errno.EINTR):
        raise error


def gives_memory(count: int) -> bool:
    """Whether the machine lets this process have so many bytes more. A library that got none, and was asked for less
    by any sound file, was asked by a damaged one where it does.
    """
    try:
        mmap.mmap(-1, count).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def need_mistake(error: BaseException) -> None:
    """Call before an error is told as a mistake of the user: raises it where the machine or its disk is at fault."""
    need_fact(error)
    if isinstance(error, OSError) and (error.errno in FULL or is_unreadable(error)):
        raise error


def is_unreadable(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in UNREADABLE
