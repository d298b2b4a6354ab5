"""Tensors on disk as safetensors, whole or in shards; nothing is unpickled.

The bytes of a weights file depend on names, shapes, types and values only.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from errors import CheckpointError

WEIGHTS_FILE = "model.safetensors"


def write_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write `tensors` to `path` atomically: a reader sees the old file, the new one, or none."""
    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    write_atomically(path, save(ordered, metadata={"format": "pt"}))


def write_atomically(path: Path, content: bytes) -> None:
    """Temporary file beside `path`, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def has_weights(folder: Path, file: str = WEIGHTS_FILE) -> bool:
    """Whether `folder` holds `file`, whole or in shards."""
    return (folder / file).is_file() or _index(folder, file).is_file()


def read_weights(folder: Path, file: str = WEIGHTS_FILE) -> dict[str, Tensor]:
    """All tensors of `folder`: of its single `file`, or of the shards that its index names.

    Raises CheckpointError when a file is missing or damaged, or a shard lacks a tensor the index promises.
    """
    index = _index(folder, file)
    if not index.is_file():
        return read_file(folder / file)
    try:
        places: dict[str, str] = json.loads(index.read_text())["weight_map"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index} is not a safetensors index: {error}") from error
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(places.values())):
        tensors.update(read_file(folder / shard))
    absent = sorted(set(places) - set(tensors))
    if absent:
        raise CheckpointError(f"{folder}: shard {places[absent[0]]} lacks {_listed(absent)}")
    return tensors


def check_fit(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Raise CheckpointError unless `given` has exactly the names and shapes of `expected`."""
    missing = sorted(set(expected) - set(given))
    if missing:
        raise CheckpointError(f"{source}: {len(missing)} tensors are missing: {_listed(missing)}")
    extra = sorted(set(given) - set(expected))
    if extra:
        raise CheckpointError(f"{source}: {len(extra)} tensors are not part of the model: {_listed(extra)}")
    for name, tensor in expected.items():
        if given[name].shape != tensor.shape:
            shapes = f"{tuple(given[name].shape)}, the model needs {tuple(tensor.shape)}"
            raise CheckpointError(f"{source}: {name} has shape {shapes}")


def read_file(path: Path) -> dict[str, Tensor]:
    """All tensors of one safetensors file. Raises CheckpointError when it is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: {error}") from error


def _listed(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _index(folder: Path, file: str) -> Path:
    return folder / f"{file}.index.json"
