"""Whether anything more fits where a file lies: quotas and limits on sizes show in no count of free bytes."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from pathlib import Path

from settings.faults import FULL, need_fact

#: More than SQLite adds to one of its files at a time.
_PROBE_BYTES = 256 * 1024

_NO_ROOM = FULL | {errno.EFBIG}


def no_room(*files: Path) -> str | None:
    """Why none of these can grow, as the system says it; None where they can, or where something else is wrong.

    Tries it: with a file without a name in the folder of the first. Raises OSError where that cannot be tried, as the
    machine is short of something else.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and any(_size(file) > limit - _PROBE_BYTES for file in files):
        return f"{os.strerror(errno.EFBIG)} (ulimit -f: {limit} bytes)"
    try:
        with tempfile.TemporaryFile(dir=files[0].parent) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        need_fact(error)
        return os.strerror(error.errno) if error.errno in _NO_ROOM else None
    return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
