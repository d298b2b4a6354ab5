"""What identifies a folder of pretrained weights, wherever it lies: job keys hold this and not the path."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from errors import CheckpointError, WeightsMissing
from settings.faults import need_fact
from settings.near_files import near_place
from settings.regular import open_regular

#: Files up to this size are read whole; of larger ones the beginning (where safetensors keeps names, shapes
#: and types), and blocks spread over the rest. Fine-tuning changes some byte of nearly every block.
_WHOLE_BYTES = 32 << 20
_BLOCK_BYTES = 64 << 10
_BLOCKS = 64
_SUFFIXES = {".json", ".safetensors", ".txt", ".model"}


def folder_identity(folder: Path) -> str:
    """SHA-256 over names, sizes and contents of the model files in `folder`. Raises WeightsMissing, and
    CheckpointError for a file that cannot be read."""
    if not folder.is_dir():
        raise WeightsMissing(
            f"{folder} is not a folder; copy the pretrained model there{near_place(folder, folders=True)}"
        )
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.is_dir())
    if not files:
        raise WeightsMissing(f"{folder} holds no model files ({', '.join(sorted(_SUFFIXES))})")
    digest = hashlib.sha256()
    for path in files:
        try:
            with open_regular(path) as file:
                _add(digest, path.name, file)
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, file: BinaryIO) -> None:
    size = os.fstat(file.fileno()).st_size
    digest.update(f"{name}\0{size}\0".encode())
    if size <= _WHOLE_BYTES:
        digest.update(file.read(_WHOLE_BYTES))
        return
    for block in range(_BLOCKS):
        file.seek(block * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
        digest.update(file.read(_BLOCK_BYTES))
