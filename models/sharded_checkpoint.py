"""Checkpoints that every rank writes its own part of, by torch.distributed.checkpoint, as safetensors.

A checkpoint is a folder: files of tensors, whose headers say which part of a tensor they hold, and a manifest with the
digest of each file. The folder gets its name when all of it is on the disk, and is never written again. It can be
loaded by another number of ranks, or by a process without any.

torch's own format pickles its metadata, and neither has checksums: what is loaded is looked at before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

from errors import CheckpointError, EnvironmentLacks
from models.shard_transfer import receive_files, send_files
from settings import files
from settings.documents import parse_json
from settings.faults import need_fact
from settings.folders import whole_folder
from settings.regular import read_text
from settings.shown import shown_path

if TYPE_CHECKING:
    from models.shard_reading import CheckedFiles

MANIFEST = "manifest.json"
_FORMAT = 1
#: Of a file of one rank: large ones are stored and carried as a whole.
FILE_BYTES = 1 << 30

T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """step: steps done. ranks: how many wrote it. tensors: (type, shape) by name. files: (bytes, SHA-256) by name.
    digest: SHA-256 of the manifest itself, so of all that the checkpoint is."""

    step: int
    ranks: int
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    files: Mapping[str, tuple[int, str]]
    digest: str


def save_sharded(
    folder: Path,
    tensors: Mapping[str, Tensor],
    step: int,
    file_bytes: int = FILE_BYTES,
    group: dist.ProcessGroup | None = None,
    each: int | None = None,
    moved: Callable[[], object] = lambda: None,
) -> str:
    """Write `tensors`, divided over ranks or equal on all of them, to a new folder of the first rank. Returns the
    manifest's digest. Every rank has to call it, and all get an error where one has one.

    group: of all ranks, by which they agree; one that nothing else uses where it is called beside other work. each: how
    many ranks reach the same files, from the first on: the first rank gets those of others by the network. None: all.
    moved: called again and again as bytes are written.

    Raises FileExistsError where something is there already, OSError for a machine that fails, CheckpointError for what
    torch refuses, EnvironmentLacks where torch has no such writer; then the folder is not there.
    """
    try:
        from models.shard_files import ShardFiles
    except ImportError as error:
        raise EnvironmentLacks(
            "checkpoints of several ranks need a later torch: 2.13 is known to do"
        ) from error
    is_first = _rank() == 0
    with ExitStack() as stack:
        place, *_ = together(lambda: stack.enter_context(whole_folder(folder)) if is_first else None, group)
        assert place is not None
        first_apart = min(each or _ranks(), _ranks())
        if _rank() >= first_apart:
            own = folder.with_name(f"{folder.name}-of-rank-{_rank()}")
            place = stack.enter_context(_folder_for_now(own))
        writer = ShardFiles(place, _file_numbers(tensors, file_bytes), moved)
        together(
            lambda: _by_torch(lambda: dcp.save(dict(tensors), storage_writer=writer, process_group=group)),
            group,
        )
        written = together(lambda: writer.written, group)
        for rank in range(first_apart, _ranks()):
            together(partial(_bring, place, rank, written[rank], group, moved), group)
        content = _manifest_bytes(
            tensors, step, {name: each for some in written for name, each in some.items()}
        )
        together(lambda: files.write(place / MANIFEST, content) if is_first else None, group)
        together(lambda: stack.close() if is_first else None, group)
    return hashlib.sha256(content).hexdigest()


def load_sharded(
    folder: Path, tensors: dict[str, Tensor], moved: Callable[[], object] = lambda: None
) -> Manifest:
    """Fill `tensors`, each divided as it is now, from a checkpoint of any number of ranks.

    Every rank has to call it, and verifies what it reads. moved: called again and again as bytes are read. Raises
    CheckpointError before anything changes where a file is missing, left over or of another size than the manifest
    says, or tensors differ by name, type or shape; and where a file has not its digest, after which `tensors` are of no
    use. OSError for a machine that fails.
    """
    from models.shard_reading import CheckedFiles

    manifest = read_manifest(folder)
    together(lambda: _need_files(folder, manifest))
    together(lambda: _need_fit(folder, manifest, tensors))
    reader = CheckedFiles(folder, manifest.files, together, moved)
    try:
        together(reader.open)
        together(lambda: _fill(tensors, reader))
    except CheckpointError:
        # What was damaged is told as that, whatever torch met first.
        together(lambda: _need_sound(folder, manifest, moved))
        raise
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Raises CheckpointError for a folder that is no checkpoint."""
    path = folder / MANIFEST
    try:
        text = read_text(path)
        values: Any = parse_json(text)
        if values["format"] != _FORMAT:
            raise ValueError(f"its format is {values['format']}, this build knows {_FORMAT}")
        return Manifest(
            int(values["step"]),
            int(values["ranks"]),
            {
                str(name): (str(kind), tuple(map(int, shape)))
                for name, (kind, shape) in values["tensors"].items()
            },
            {str(name): (int(size), str(digest)) for name, (size, digest) in values["files"].items()},
            hashlib.sha256(text.encode()).hexdigest(),
        )
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is not the manifest of a checkpoint: {error}") from error


def together(work: Callable[[], T], group: dist.ProcessGroup | None = None) -> list[T]:
    """What each rank's `work` gives, by rank; a process without ranks is one. Where one raises an Exception all do: it
    raises its own, the others one of the same kind that names the rank. group: of all ranks, the usual one without."""
    given: T | None = None
    error: Exception | None = None
    try:
        given = work()
    except Exception as fault:
        error = fault
    told: list[Any] = [(given, None if error is None else _told(error))]
    if dist.is_initialized():
        mine, told = told[0], [None] * dist.get_world_size()
        dist.all_gather_object(told, mine, group)
    if error is not None:
        raise error
    for rank, (_, failed) in enumerate(told):
        if failed is not None:
            number, sentence = failed
            sentence = f"rank {rank}: {sentence}"
            raise OSError(number, sentence) if number is not None else CheckpointError(sentence)
    return [value for value, _ in told]


def _told(error: Exception) -> tuple[int | None, str]:
    if not isinstance(error, OSError) or error.errno is None:
        return None, str(error)
    place = "" if error.filename is None else f": {shown_path(error.filename)}"
    return error.errno, f"{error.strerror}{place}"


def _fill(tensors: dict[str, Tensor], reader: CheckedFiles) -> None:
    """Every rank plans what it reads by itself, from the headers that all have read: torch would send all plans to the
    first rank and back, and change none."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            _by_torch(lambda: dcp.load(tensors, storage_reader=reader, no_dist=True))
    except Exception as error:
        reader.give_up(error)
        raise


def _by_torch(work: Callable[[], object]) -> None:
    """torch's error is no Exception and holds each rank's own: the machine's, or one of ours, if one is."""
    try:
        work()
    except CheckpointException as error:
        causes = [cause for cause, _ in error.failures.values()]
        for cause in causes:
            if isinstance(cause, (OSError, CheckpointError)):
                raise cause from error
        for cause in causes:
            if not isinstance(cause, Exception):
                raise cause from error
        raise CheckpointError(f"{type(causes[0]).__name__}: {causes[0]}") from error


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _bring(
    place: Path,
    rank: int,
    written: Mapping[str, tuple[int, str]],
    group: dist.ProcessGroup | None,
    moved: Callable[[], object],
) -> None:
    """Files of `rank`, which reaches others than the first one does, to that."""
    if _rank() == rank:
        send_files(place, written, group, moved)
    elif _rank() == 0:
        receive_files(place, rank, written, group, moved)


def _ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def _folder_for_now(path: Path) -> Iterator[Path]:
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _share(names: list[str]) -> Iterator[str]:
    """Those of `names` that are this rank's to read."""
    yield from names[_rank() :: _ranks()]


def _file_numbers(tensors: Mapping[str, Tensor], file_bytes: int) -> dict[str, int]:
    """Which of a rank's files, from 1 on, each tensor goes to; they fill up one after another."""
    ranks = _ranks()
    numbers, filled, number = {}, 0, 1
    for name in sorted(tensors):
        size = -(-tensors[name].nbytes // ranks)
        if filled and filled + size > file_bytes:
            filled, number = 0, number + 1
        numbers[name] = number
        filled += size
    return numbers


def _manifest_bytes(tensors: Mapping[str, Tensor], step: int, held: Mapping[str, tuple[int, str]]) -> bytes:
    values = {
        "format": _FORMAT,
        "step": step,
        "ranks": _ranks(),
        "tensors": {name: _kind_and_shape(tensor) for name, tensor in tensors.items()},
        "files": held,
    }
    return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()


def _kind_and_shape(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)


def _need_files(folder: Path, manifest: Manifest) -> None:
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    if there != set(manifest.files):
        odd = sorted(there ^ set(manifest.files))[0]
        what = "is missing" if odd in manifest.files else "is not of this checkpoint"
        raise CheckpointError(f"{folder}: {odd} {what}")
    for name in sorted(manifest.files):
        if (folder / name).stat().st_size != manifest.files[name][0]:
            raise CheckpointError(f"{folder / name} is damaged: it has not the size that the manifest states")


def _need_sound(folder: Path, manifest: Manifest, moved: Callable[[], object]) -> None:
    from models.shard_reading import need_digest

    for name in _share(sorted(manifest.files)):
        need_digest(folder / name, manifest.files[name], moved)


def _need_fit(folder: Path, manifest: Manifest, tensors: Mapping[str, Tensor]) -> None:
    if odd := sorted(set(tensors) ^ set(manifest.tensors)):
        what = "is missing" if odd[0] in tensors else "is not part of what is loaded"
        raise CheckpointError(f"{folder}: {odd[0]} {what}")
    for name, tensor in tensors.items():
        if (own := _kind_and_shape(tensor)) != manifest.tensors[name]:
            raise CheckpointError(f"{folder}: {name} is {manifest.tensors[name]}, and {own} is loaded")
