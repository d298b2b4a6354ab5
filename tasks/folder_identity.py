"""What identifies a folder of pretrained weights, wherever it lies: job keys hold this and not the path."""

from __future__ import annotations

import hashlib
from pathlib import Path

from errors import WeightsMissing

#: Files up to this size are read whole; of larger ones the beginning (where safetensors keeps names, shapes
#: and types), and blocks spread over the rest. Fine-tuning changes some byte of nearly every block.
_WHOLE_BYTES = 32 << 20
_BLOCK_BYTES = 64 << 10
_BLOCKS = 64
_SUFFIXES = {".json", ".safetensors", ".txt", ".model"}


def folder_identity(folder: Path) -> str:
    """SHA-256 over names, sizes and contents of the model files in `folder`. Raises WeightsMissing."""
    if not folder.is_dir():
        raise WeightsMissing(f"{folder} is not a folder; copy the pretrained model there")
    files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    if not files:
        raise WeightsMissing(f"{folder} holds no model files ({', '.join(sorted(_SUFFIXES))})")
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE_BYTES:
                digest.update(file.read())
                continue
            for block in range(_BLOCKS):
                file.seek(block * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()
