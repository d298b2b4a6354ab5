"""Tensors to disk as safetensors, whole or in shards; nothing is ever pickled.

The bytes of a weights file depend on names, shapes, types and values only. Writing streams: beside the tensors
no copy of them is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from errors import CheckpointError
from models.weight_files import DTYPES, WEIGHTS_FILE, WeightFiles, as_bytes, index_path, listed, open_file
from settings import files

#: Hugging Face's usual size of a shard.
SHARD_BYTES = 5 * 10**9

_TYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_weights(
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    fetch: Callable[[Tensor], Tensor] = Tensor.detach,
    header: Mapping[str, str] | None = None,
    seen: Callable[[bytes | memoryview], object] | None = None,
) -> None:
    """Write `tensors` to `path` atomically: a reader sees the old file, the new one, or none.

    fetch: called with each tensor once, in the order of `written_order`, when its turn has come. header: what else it
    says of the file. seen: is given all that is written, piece by piece.
    """
    begin, order = _header(tensors, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as file:
        file.write(begin)
        if seen is not None:
            seen(begin)
        for name in order:
            data = as_bytes(fetch(tensors[name]).cpu().contiguous())
            file.write(data)
            if seen is not None:
                seen(data)


def written_order(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of `tensors` as they follow one another in a file."""
    return _header(tensors)[1]


def write_sharded(
    tensors: Mapping[str, Tensor],
    folder: Path,
    shard_bytes: int = SHARD_BYTES,
    *,
    fetch: Callable[[Tensor], Tensor] = Tensor.detach,
) -> None:
    """Write `tensors` as `model.safetensors`, or as shards of at most `shard_bytes` with their index.

    A tensor larger than a shard gets one of its own. The index comes last. fetch: called with each tensor once, a
    file's tensors before the file is written; what it gives is written.
    """
    shards = _shards(tensors, shard_bytes)
    whole = len(shards) == 1
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = WEIGHTS_FILE if whole else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        fetched = {name: fetch(tensors[name]) for name in names}
        if whole:
            index_path(folder).unlink(missing_ok=True)
        write_weights(fetched, folder / file)
        places |= dict.fromkeys(names, file)
    if whole:
        return
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    files.write(index_path(folder), json.dumps(index, indent=2, sort_keys=True) + "\n")
    (folder / WEIGHTS_FILE).unlink(missing_ok=True)


def check_fit(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Raise CheckpointError unless `given` has exactly the names of `expected`, their shapes, and their kind
    of type (floating point of any width where floating point is expected, else the same type).
    """
    missing = sorted(set(expected) - set(given))
    if missing:
        raise CheckpointError(f"{source}: {len(missing)} tensors are missing: {listed(missing)}")
    extra = sorted(set(given) - set(expected))
    if extra:
        raise CheckpointError(f"{source}: {len(extra)} tensors are not part of the model: {listed(extra)}")
    facts: Mapping[str, Any] = given.stored if isinstance(given, WeightFiles) else given
    for name, tensor in expected.items():
        if tuple(facts[name].shape) != tuple(tensor.shape):
            shapes = f"{tuple(facts[name].shape)}, the model needs {tuple(tensor.shape)}"
            raise CheckpointError(f"{source}: {name} has shape {shapes}")
        kinds = facts[name].dtype.is_floating_point, tensor.dtype.is_floating_point
        if kinds[0] != kinds[1] or (not kinds[1] and facts[name].dtype != tensor.dtype):
            raise CheckpointError(
                f"{source}: {name} is of type {_name(facts[name].dtype)}, the model needs {_name(tensor.dtype)}"
            )


def read_file(path: Path) -> dict[str, Tensor]:
    """All tensors of one safetensors file. Raises CheckpointError when it is missing or damaged."""
    return dict(open_file(path))


def _header(tensors: Mapping[str, Tensor], more: Mapping[str, str] | None = None) -> tuple[bytes, list[str]]:
    """The header as the safetensors library writes it, and the order of the tensors after it."""
    types = list(DTYPES)
    width = {name: torch.empty(0, dtype=DTYPES[name]).element_size() for name in types}

    def place(name: str) -> tuple[int, str]:
        if tensors[name].dtype not in _TYPE_NAMES:
            raise CheckpointError(
                f"{name} is of type {_name(tensors[name].dtype)}, which no checkpoint holds"
            )
        # Widest first keeps every tensor aligned.
        return -width[_TYPE_NAMES[tensors[name].dtype]], name

    order = sorted(tensors, key=place)
    header: dict[str, Any] = {"__metadata__": {**(more or {}), "format": "pt"}}
    begin = 0
    for name in order:
        tensor = tensors[name]
        end = begin + tensor.nbytes
        header[name] = {
            "dtype": _TYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, order


def _shards(tensors: Mapping[str, Tensor], shard_bytes: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
