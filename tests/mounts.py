"""Folders seen through FUSE: two mounts of one folder are two machines that see no lock and no memory of each other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


@contextmanager
def seen_through_fuse(folder: Path, *names: str) -> Iterator[list[Path]]:
    """A mount of `folder/disk` for each name, beside it. Skips where bindfs is missing or FUSE cannot be mounted."""
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not on PATH")
    disk = folder / "disk"
    disk.mkdir()
    with ExitStack() as mounted:
        places = []
        for name in names:
            place = folder / name
            place.mkdir()
            done = subprocess.run(
                ["bindfs", str(disk), str(place)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"FUSE cannot be mounted here: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
            places.append(place)
        yield places
