"""Files of a checkpoint that ranks of other machines wrote, brought to the first rank by the connections of a group.

The easy way: all of a checkpoint goes through the first rank's machine, which publishes it as one. Both sides go on to
the end of a file whatever fails on one of them, so that neither waits for the other for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from errors import CheckpointError
from settings import files
from settings.regular import open_regular

BLOCK_BYTES = 16 << 20


def send_files(
    place: Path,
    written: Mapping[str, tuple[int, str]],
    group: dist.ProcessGroup | None,
    moved: Callable[[], object] = lambda: None,
) -> None:
    """To rank 0, from `place`. written: (bytes, SHA-256) by name. moved: called after each block. Raises
    OSError for what could not be read, once zeros were sent in its place."""
    failed: OSError | None = None
    for name, (size, _) in sorted(written.items()):
        going = _blocks(size)
        try:
            with open_regular(place / name) as file:
                for block in going:
                    try:
                        content = file.read(len(block))
                        block[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
                    finally:
                        dist.send(block, 0, group)
                        moved()
        except OSError as error:
            failed = failed or error
            for block in going:
                dist.send(block, 0, group)
    if failed is not None:
        raise failed


def receive_files(
    place: Path,
    rank: int,
    written: Mapping[str, tuple[int, str]],
    group: dist.ProcessGroup | None,
    moved: Callable[[], object] = lambda: None,
) -> None:
    """From `rank`, into `place`. moved: called after each block. Raises OSError for what could not be written,
    CheckpointError for what is not what was written there; either once all has come."""
    failed: Exception | None = None
    for name, (size, digest) in sorted(written.items()):
        coming = _coming(size, rank, group)
        try:
            found = hashlib.sha256()
            with files.whole(place / name) as file:
                for content in coming:
                    found.update(content)
                    file.write(content)
                    moved()
            if found.hexdigest() != digest:
                raise CheckpointError(f"{name} did not arrive as rank {rank} wrote it")
        except (OSError, CheckpointError) as error:
            failed = failed or error
            for _ in coming:
                pass
    if failed is not None:
        raise failed


def _coming(size: int, rank: int, group: dist.ProcessGroup | None) -> Iterator[bytes]:
    for block in _blocks(size):
        dist.recv(block, rank, group)
        yield block.numpy().tobytes()


def _blocks(size: int) -> Iterator[Tensor]:
    """Of zeros, which are `size` bytes together."""
    for begin in range(0, size, BLOCK_BYTES):
        yield torch.zeros(min(BLOCK_BYTES, size - begin), dtype=torch.uint8)
