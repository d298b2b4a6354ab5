"""Safetensors files that are read one tensor at a time.

Headers are checked against the files' sizes before the first tensor is read, so a truncated shard is found at
once, and no more than one tensor is ever held beside the model that takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from errors import CheckpointError
from models.beside import check_no_adapter
from settings.documents import parse_json
from settings.faults import need_fact
from settings.pickled_weights import how_to_convert
from settings.regular import is_there, open_regular, read_text
from settings.shown import cut, shown
from settings.tensor_header import LONGEST_HEADER_BYTES, read_header_and_metadata

WEIGHTS_FILE = "model.safetensors"

#: Names of types in a safetensors header that a model of ours can hold.
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


_LONGEST_NAME_BYTES = 255


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies: `begin` in bytes from the start of `path`; read_as: another type than it is stored in."""

    path: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    size_bytes: int
    read_as: torch.dtype | None = None

    def read(self) -> Tensor:
        """The tensor, in memory of its own. Raises CheckpointError when the file changed meanwhile."""
        return self._read(self.shape, 0)

    def read_rows(self, first: int, count: int) -> Tensor:
        """Entries first..first+count-1 along the first dimension, and nothing else of the file. Raises as `read`."""
        row_bytes = self.size_bytes // self.shape[0] if self.shape[0] else 0
        return self._read((count, *self.shape[1:]), first * row_bytes)

    def _read(self, shape: tuple[int, ...], offset: int) -> Tensor:
        """offset: in bytes from the tensor's first."""
        tensor = torch.empty(shape, dtype=self.dtype)
        try:
            with open_regular(self.path) as file:
                file.seek(self.begin + offset)
                got = file.readinto(as_bytes(tensor)) if tensor.nbytes else 0
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{self.path} cannot be read: {error.strerror}") from error
        if got != tensor.nbytes:
            raise CheckpointError(f"{self.path} is damaged or truncated: it ended while it was read")
        return tensor if self.read_as is None else tensor.to(self.read_as)


class WeightFiles(Mapping[str, Tensor]):
    """Tensors by name; each access reads one. `stored` tells types and shapes without reading, `metadata` what a single
    file's header says beside them."""

    def __init__(
        self, stored: Mapping[str, StoredTensor], metadata: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.stored, self.metadata = dict(stored), metadata

    def __getitem__(self, name: str) -> Tensor:
        return self.stored[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def renamed(self, rename: Callable[[str], str | None]) -> WeightFiles:
        """The same tensors under other names; those that `rename` gives None are left out."""
        names = {name: rename(name) for name in self.stored}
        return WeightFiles({new: self.stored[name] for name, new in names.items() if new is not None})


def has_weights(folder: Path, file: str = WEIGHTS_FILE) -> bool:
    """Whether `folder` holds `file`, whole or in shards."""
    return (folder / file).is_file() or index_path(folder, file).is_file()


def open_weights(folder: Path, file: str = WEIGHTS_FILE) -> WeightFiles:
    """The tensors of `folder`: of its single `file`, or of the shards that its index names.

    Raises CheckpointError when a file is missing or damaged, a shard does not hold what the index promises, two hold
    the same tensor, there are both shards and a single file, or the folder is an adapter of another model.
    """
    check_no_adapter(folder)
    places = shards_of(folder, file)
    if places is None:
        return open_file(folder / file)
    stored: dict[str, StoredTensor] = {}
    for shard in sorted(set(places.values())):
        own = open_file(folder / shard).stored
        twice = sorted(set(own) & set(stored))
        if twice:
            raise CheckpointError(
                f"{folder}: both {stored[twice[0]].path.name} and {shard} hold {listed(twice)}; which is meant cannot "
                "be told"
            )
        stored.update(own)
    absent = sorted(set(places) - set(stored))
    if absent:
        raise CheckpointError(f"{folder}: shard {places[absent[0]]} lacks {listed(absent)}")
    return WeightFiles(stored)


def weight_file_names(folder: Path, file: str = WEIGHTS_FILE) -> set[str]:
    """Names of the files that `open_weights` reads. Raises CheckpointError as it does for the index."""
    places = shards_of(folder, file)
    return {file} if places is None else set(places.values())


def shards_of(folder: Path, file: str = WEIGHTS_FILE) -> dict[str, str] | None:
    """Names of tensors and of the shards they lie in, as the index says; None without one.

    Raises CheckpointError for an index that cannot be used, or stands beside a single `file`.
    """
    index = index_path(folder, file)
    if not is_there(index):
        return None
    if is_there(folder / file):
        raise CheckpointError(
            f"{folder} holds both {file} and {index.name}, and programs differ in which they read: move away the one "
            "that is not meant"
        )
    try:
        content = parse_json(read_text(index))
        if not isinstance(content, dict):
            raise ValueError(f"it holds no object, but {type(content).__name__}")
        places = content.get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
            raise ValueError("weight_map is not an object of tensor names and shard names")
        for shard in places.values():
            is_name = shard != "" and Path(shard).name == shard and shard.isprintable()
            if not is_name or len(shard.encode()) > _LONGEST_NAME_BYTES:
                raise CheckpointError(f"{index} names a shard outside its folder: {shown(shard)}")
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{index} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{index} is not a safetensors index: {error}") from error
    return places


def open_file(path: Path, longest_header: int = LONGEST_HEADER_BYTES) -> WeightFiles:
    """The tensors of one safetensors file. Raises CheckpointError when it is missing or damaged.

    longest_header: bytes.
    """
    if not is_there(path):
        raise CheckpointError(f"{path} does not exist{how_to_convert(path.parent, path.name)}")
    try:
        entries, metadata = read_header_and_metadata(path, longest_header)
    except (OSError, ValueError) as error:
        need_fact(error)
        raise CheckpointError(f"{path} is damaged or truncated: {error}") from error
    for name, entry in entries.items():
        if entry.dtype not in DTYPES:
            raise CheckpointError(
                f"{path}: {cut(name)} is of type {entry.dtype}; known are {', '.join(DTYPES)}"
            )
    stored = {
        name: StoredTensor(path, DTYPES[entry.dtype], entry.shape, entry.begin, entry.end - entry.begin)
        for name, entry in entries.items()
    }
    return WeightFiles(stored, metadata)


def as_bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous CPU tensor."""
    flat: Any = tensor.detach().reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)


def index_path(folder: Path, file: str = WEIGHTS_FILE) -> Path:
    return folder / f"{file}.index.json"


def listed(names: list[str], most: int = 3) -> str:
    """The first few of `names` for a message."""
    return ", ".join(map(cut, names[:most])) + (", ..." if len(names) > most else "")
