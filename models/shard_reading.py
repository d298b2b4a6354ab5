"""Files of a sharded checkpoint, read once: what is hashed goes to its place in memory on the way.

torch's own reader knows no digests, so every byte would be read twice. A rank that goes on over as many ranks wants
whole files, its own, and of those of others what is equal on all ranks. Where no rank wants all of a file (another
number of ranks), each that wants a part computes the digest before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.distributed.checkpoint import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, ReadItem
from torch.futures import Future

from errors import CheckpointError
from models.shard_files import OFFSETS
from models.weight_files import StoredTensor, as_bytes, open_file
from settings.documents import parse_json
from settings.regular import open_regular
from settings.shown import cut, shown

_READ_BYTES = 1 << 20
#: More than any tensor has along a dimension, and far below the edge of 64 bits.
_MOST_ROWS = 1 << 48


class Agree(Protocol):
    """What every rank's work gives, by rank; an error of one is raised by all."""

    def __call__(self, work: Callable[[], set[str]], /) -> list[set[str]]: ...


class CheckedFiles(HuggingFaceStorageReader):
    """held: (bytes, SHA-256) of each file, by name. moved: called again and again as bytes are read.

    A file that differs raises CheckpointError on a rank that reads it; what was filled by then is of no use on any.
    """

    def __init__(
        self, folder: Path, held: Mapping[str, tuple[int, str]], agree: Agree, moved: Callable[[], object]
    ) -> None:
        super().__init__(str(folder))
        self._folder, self._held, self._agree, self._moved = folder, held, agree, moved
        self._stored: dict[str, Mapping[str, StoredTensor]] = {}
        self._metadata: Metadata | None = None
        self._has_agreed = False

    def open(self) -> None:
        """Read all headers. Raises CheckpointError for one that cannot be used."""
        self._metadata = self._read_headers()

    def read_metadata(self) -> Metadata:
        """Which part of which tensor lies in which file, once it has been opened."""
        assert self._metadata is not None
        return self._metadata

    def _read_headers(self) -> Metadata:
        """torch's own way asks safetensors' library for each tensor in turn, which is slow, and reads headers that
        nobody has looked at."""
        tensors: dict[str, TensorStorageMetadata] = {}
        places: dict[MetadataIndex, str] = {}
        for name in sorted(self._held):
            self._stored[name], offsets = _parts_in(self._folder / name)
            for tensor, each in self._stored[name].items():
                part = ChunkStorageMetadata(torch.Size(offsets[tensor]), torch.Size(each.shape))
                ends = torch.Size(map(sum, zip(part.offsets, part.sizes, strict=True)))
                known = tensors.setdefault(
                    tensor, TensorStorageMetadata(TensorProperties(dtype=each.dtype), ends, [])
                )
                known.chunks.append(part)
                known.size = torch.Size(map(max, zip(known.size, ends, strict=True)))
                places[MetadataIndex(tensor, part.offsets)] = name
        return Metadata(dict(tensors), storage_data=places, storage_meta=StorageMeta(load_id=self.load_id))

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        by_file: dict[str, list[ReadItem]] = {}
        for item in plan.items:
            by_file.setdefault(self.storage_data[item.storage_index], []).append(item)
        stored = self._stored

        def read_whole() -> set[str]:
            return {name for name, items in by_file.items() if _is_whole(items, stored[name])}

        self._has_agreed = True
        of_ranks = self._agree(read_whole)
        for name, items in sorted(by_file.items()):
            if _is_whole(items, stored[name]):
                self._fill(self._folder / name, stored[name], items, planner)
                continue
            if not any(name in whole for whole in of_ranks):
                need_digest(self._folder / name, self._held[name], self._moved)
            for item in items:
                _take(stored[name][item.storage_index.fqn], item, planner)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def give_up(self, error: Exception) -> None:
        """For a rank that cannot go on: where the others wait for what it reads whole, they get its error."""
        if not self._has_agreed:
            self._has_agreed = True
            self._agree(partial(_raised, error))

    def _fill(
        self,
        path: Path,
        stored: Mapping[str, StoredTensor],
        items: list[ReadItem],
        planner: LoadPlanner,
    ) -> None:
        """All tensors of a file, in their order there."""
        digest, place = hashlib.sha256(), 0
        wanted = {item.storage_index.fqn: item for item in items}

        def seen(block: Any) -> None:
            digest.update(block)
            self._moved()

        with open_regular(path) as buffered:
            file: Any = buffered.raw
            for name, each in sorted(stored.items(), key=lambda item: item[1].begin):
                _skip(file, each.begin - place, seen)
                target = planner.resolve_tensor(wanted[name]).detach()
                direct = target.is_contiguous() and target.device.type == "cpu" and target.dtype == each.dtype
                into = target if direct else torch.empty(each.shape, dtype=each.dtype)
                if into.nbytes:
                    _fill_from(file, as_bytes(into), seen)
                if not direct:
                    target.copy_(into)
                planner.commit_tensor(wanted[name], target)
                place = each.begin + each.size_bytes
            size = place + _rest(file, seen)
        if (size, digest.hexdigest()) != self._held[path.name]:
            raise _damaged(path)


def _raised(error: Exception) -> set[str]:
    raise error


def _parts_in(path: Path) -> tuple[Mapping[str, StoredTensor], Mapping[str, list[int]]]:
    """The tensors of a file, and where in the whole tensor the part begins that is in it. Raises CheckpointError."""
    held = open_file(path)
    stored = held.stored
    try:
        told = parse_json(held.metadata[OFFSETS])
        offsets = {name: list(told[name]["saved_offsets"]) for name in stored}
        for name, each in stored.items():
            sound = all(type(offset) is int and 0 <= offset < _MOST_ROWS for offset in offsets[name])
            if len(offsets[name]) != len(each.shape) or not sound:
                raise ValueError(f"{cut(name)} begins at {shown(offsets[name])}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} does not say which parts of its tensors it holds: {error}") from error
    return stored, offsets


def need_digest(path: Path, held: tuple[int, str], moved: Callable[[], object]) -> None:
    """Raises CheckpointError for a file that has not this size and SHA-256. moved: as of `CheckedFiles`."""
    digest = hashlib.sha256()

    def seen(block: Any) -> None:
        digest.update(block)
        moved()

    with open_regular(path) as file:
        size = _rest(file, seen)
    if (size, digest.hexdigest()) != held:
        raise _damaged(path)


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: it has not the digest that the manifest states")


def _is_whole(items: list[ReadItem], stored: Mapping[str, StoredTensor]) -> bool:
    """Whether these are all tensors of a file, and all of each."""
    return {item.storage_index.fqn for item in items} == set(stored) and all(
        tuple(item.lengths) == stored[item.storage_index.fqn].shape and not any(item.storage_offsets)
        for item in items
    )


def _take(stored: StoredTensor, item: ReadItem, planner: LoadPlanner) -> None:
    """Part of a tensor: of its rows no others are read."""
    spans = list(zip(item.storage_offsets, item.lengths, strict=True))
    part = stored.read_rows(*spans[0]) if spans else stored.read()
    for dimension, (offset, length) in enumerate(spans[1:], 1):
        part = part.narrow(dimension, offset, length)
    target = planner.resolve_tensor(item).detach()
    target.copy_(part)
    planner.commit_tensor(item, target)


def _skip(file: Any, count: int, seen: Callable[[Any], None]) -> None:
    """Bytes before a tensor: the header."""
    while count > 0 and (block := file.read(min(count, _READ_BYTES))):
        seen(block)
        count -= len(block)


def _fill_from(file: Any, memory: memoryview, seen: Callable[[Any], None]) -> None:
    done = 0
    while done < len(memory) and (got := file.readinto(memory[done : done + _READ_BYTES])):
        seen(memory[done : done + got])
        done += got


def _rest(file: Any, seen: Callable[[Any], None]) -> int:
    """Bytes up to the end."""
    size = 0
    while block := file.read(_READ_BYTES):
        seen(block)
        size += len(block)
    return size
