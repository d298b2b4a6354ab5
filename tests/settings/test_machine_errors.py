"""Errors that no command has a name for: one sentence, or a bug with its traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from errors import BatonError, DiskFull, EnvironmentLacks, InvalidInput
from settings.machine_errors import told
from settings.regular import UnfitFile, read_bytes

TOLD: list[tuple[OSError | MemoryError, type[BatonError], str]] = [
    (MemoryError(), EnvironmentLacks, "short of memory; what was committed is safe"),
    (OSError(errno.ENOSPC, "No space left on device", "/x"), DiskFull, "the disk is full (/x)"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull, "the disk is full;"),
    (OSError(errno.EMFILE, "Too many open files", "/x"), EnvironmentLacks, "short of open files"),
    (OSError(errno.EIO, "Input/output error", "/x"), EnvironmentLacks, "the disk failed"),
    (OSError(errno.ESTALE, "Stale file handle", b"/x"), EnvironmentLacks, "the disk failed: Stale file handle (/x)"),
    (OSError(errno.ELOOP, "Too many levels of symbolic links", "/x"), InvalidInput, "cannot use /x: Too many levels"),
    (OSError(errno.EACCES, "Permission denied", "/x"), InvalidInput, "cannot use /x"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "kind", "says"), TOLD)
def test_an_error_of_the_machine_or_of_a_path_is_one_sentence(
    error: OSError | MemoryError, kind: type[BatonError], says: str
) -> None:
    found = told(error)
    assert type(found) is kind and says in str(found), found


def test_what_is_no_regular_file_or_too_large_is_one_sentence_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, why in (("fifo", "only regular files"), ("large", "11 bytes")):
        with pytest.raises(UnfitFile) as refused:
            read_bytes(tmp_path / name, 10)
        found = told(refused.value)
        assert isinstance(found, InvalidInput) and str(tmp_path / name) in str(found) and why in str(found)


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "Permission denied"), OSError(errno.ENOENT, "", "/x")]
)
def test_a_bug_keeps_its_traceback(error: OSError) -> None:
    assert told(error) is None
