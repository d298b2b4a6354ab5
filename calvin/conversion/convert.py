"""Converts demonstrations part by part: killed anywhere, the next one goes on and ends with the same bytes.

.partial.DST/set      what becomes DST when all of it is there, in one rename
.partial.DST/parts    the conversion; and one document a finished part, written when its files are on the disk, with
                      their sizes: what was cut since is written anew
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calvin.conversion.source import Item, Source
from calvin.conversion.target import Before, Facts, Piece, Target
from errors import InvalidInput
from settings import files
from settings.documents import parse_json
from settings.faults import need_fact
from settings.folders import continued_folder, forget_aside, give_folder_name
from settings.regular import read_text

#: Demonstrations that are written together: CALVIN's have up to 65 frames, some 50 MB as PNG.
PART = 16
#: Says in a finished dataset what it was made of.
MARK = "conversion.json"
_PLAN = "plan.json"
_BEGINNING = Before(0, 0)
_MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class Progress:
    """Of a part that is on the disk: its demonstrations, their frames, and whether it was there already."""

    demonstrations: int
    frames: int
    was_there: bool


def convert(source: Source, target: Target, dst: Path) -> Generator[Progress]:
    """Write all that is not there yet, yielding after each part; DST appears when the iterator ends.

    A finished DST of the same conversion is left as it is, and every part counts as being there. Raises InvalidInput
    where DST is something else, where a part was begun of other data or in another form, and where another process
    converts into DST; DatasetError for what cannot be read or written; OSError. What is finished stays.
    """
    parts = list(_parts(source.items))
    identity = {**target.identity, "parts": [len(part) for part in parts]}
    if _is_finished(dst, identity, parts):
        forget_aside(dst)  # of a process that was killed just behind its end
        for part in parts:
            yield Progress(len(part), sum(item.frames or 0 for item in part), was_there=True)
        return
    try:
        with continued_folder(dst) as aside:
            try:
                yield from _fill(aside, identity, parts, target, dst)
            except BaseException:
                _forget_the_unfinished(aside)
                raise
            give_folder_name(aside / "set", dst)
    except FileExistsError:
        raise InvalidInput(
            f"{dst} already has content, and is not this conversion; name another folder"
        ) from None
    except BlockingIOError:
        raise InvalidInput(f"another command writes {dst}; wait for it, or name another folder") from None


def need_new_or_ours(dst: Path) -> None:
    """Raises InvalidInput where DST is something that no conversion made, before anything is read."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if any(dst.iterdir()) and not (dst / MARK).is_file():
            raise InvalidInput(f"{dst} already has content, and is no conversion; name another folder")


def _fill(
    aside: Path, identity: dict[str, Any], parts: Sequence[Sequence[Item]], target: Target, dst: Path
) -> Iterator[Progress]:
    kept, root = aside / "parts", aside / "set"
    _need_same_plan(aside, kept, identity, dst)
    root.mkdir(exist_ok=True)
    frames: dict[str, int] = {}
    digests = []
    before = _BEGINNING
    for number, part in enumerate(parts):
        digest = _digest([item.identity() for item in part])
        digests.append(digest)
        file = kept / f"{number}.json"
        content = _read_part(file, digest, dst)
        facts: list[Facts] | None = None
        if content is not None:
            said = _facts(content, target, file, part, before, dst)
            facts = said if _is_there(root, target.files(number, said), content.get("sizes")) else None
        was_there = facts is not None
        if facts is None:
            facts = target.write(root, number, _pieces(part, frames.get(part[0].split, 0)))
            os.sync()  # the document vouches for the files, also after a machine was switched off
            sizes = [(root / path).stat().st_size for path in target.files(number, facts)]
            document = {"source": digest, "facts": facts, "seal": _seal(facts), "sizes": sizes}
            files.write(file, json.dumps(document))
        target.keep(facts)
        before, count = before.and_then(facts), sum(one["length"] for one in facts)
        frames[part[0].split] = frames.get(part[0].split, 0) + count
        yield Progress(len(part), count, was_there)
    target.finish(root, _all_kept(root, target, kept, parts, dst))
    files.write(root / MARK, json.dumps({**identity, "source": _digest(digests)}, indent=1) + "\n")
    os.sync()


def _pieces(part: Sequence[Item], before: int) -> Iterator[Piece]:
    for item in part:
        piece = item.read(before)
        before += len(piece.episode)
        yield piece


def _parts(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Neighbours of one split."""
    part: list[Item] = []
    for item in items:
        if part and (len(part) == PART or part[0].split != item.split):
            yield part
            part = []
        part.append(item)
    if part:
        yield part


def _need_same_plan(aside: Path, kept: Path, identity: dict[str, Any], dst: Path) -> None:
    plan = kept / _PLAN
    if any(
        entry.name not in ("set", "parts") or entry.is_symlink() or not entry.is_dir()
        for entry in aside.iterdir()
    ):
        raise InvalidInput(
            f"{aside} is there, and no part of a conversion; remove it, or name another folder"
        )
    if not any(kept.glob("[0-9]*.json")):  # nothing that was finished is lost
        for folder in (kept, aside / "set"):
            shutil.rmtree(folder, ignore_errors=True)
        kept.mkdir()
        files.write(plan, json.dumps(identity))
    elif _read(plan, dst) != identity:
        raise InvalidInput(
            f"{aside} holds part of a conversion of other data, or in another form; remove it, or name another folder"
        )


def _forget_the_unfinished(aside: Path) -> None:
    """Where no part is finished, nothing is left."""
    kept = aside / "parts"
    if kept.is_dir() and not any(kept.glob("[0-9]*.json")):
        for folder in (kept, aside / "set"):
            shutil.rmtree(folder, ignore_errors=True)


def _is_there(root: Path, paths: Iterable[str], sizes: object) -> bool:
    """Whether files have the sizes that they had when they were on the disk. Earlier builds did not note them."""
    if not isinstance(sizes, list):
        return False
    found = 0
    for found, path in enumerate(paths, 1):
        try:
            size = (root / path).lstat().st_size
        except FileNotFoundError:
            return False
        if found > len(sizes) or size != sizes[found - 1]:
            return False
    return found == len(sizes)


def _all_kept(
    root: Path, target: Target, kept: Path, parts: Sequence[Sequence[Item]], dst: Path
) -> Iterator[list[Facts]]:
    before = _BEGINNING
    for number, part in enumerate(parts):
        file = kept / f"{number}.json"
        content = _read(file, dst)
        facts = _facts(content, target, file, part, before, dst)
        if not _is_there(root, target.files(number, facts), content.get("sizes")):
            raise InvalidInput(
                f"files below {root} changed while it was written; the same command writes those anew"
            )
        before = before.and_then(facts)
        yield facts


def _read_part(file: Path, digest: str, dst: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    content = _read(file, dst)
    if content.get("source") != digest:
        raise InvalidInput(
            f"{file.parent.parent} holds part of a conversion of other data: they changed since; remove it, or name "
            "another folder"
        )
    return content


def _facts(
    content: dict[str, Any], target: Target, file: Path, part: Sequence[Item], before: Before, dst: Path
) -> list[Facts]:
    """Raises InvalidInput where they are not sealed, not of the demonstrations of the part, or not what the target
    writes behind those before it."""
    facts = content.get("facts")
    if content.get("seal") != _seal(facts) or not isinstance(facts, list) or len(facts) != len(part):
        raise _damaged(file, dst)
    for one, item in zip(facts, part):
        length = one.get("length") if isinstance(one, dict) and one.get("split") == item.split else None
        is_whole = type(length) is int and isinstance(one.get("task"), str)
        if not is_whole or item.frames not in (None, length):
            raise _damaged(file, dst)
        try:
            target.check(one, before)
        except (InvalidInput, ValueError) as error:
            raise _damaged(file, dst) from error
        before = before.and_then([one])
    return facts


def _read(file: Path, dst: Path) -> dict[str, Any]:
    try:
        content = parse_json(read_text(file, _MOST_BYTES))
    except (OSError, ValueError) as error:
        need_fact(error)
        content = None
    if not isinstance(content, dict):
        raise _damaged(file, dst)
    return content


def _damaged(file: Path, dst: Path) -> InvalidInput:
    return InvalidInput(
        f"{file} is damaged; remove {file.parent.parent}, and {dst} is written from the beginning"
    )


def _seal(facts: object) -> str:
    """What was written of a part is what is read of it, also after a disk's fault."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _is_finished(dst: Path, identity: dict[str, Any], parts: Sequence[Sequence[Item]]) -> bool:
    mark = dst / MARK
    if not mark.is_file():
        return False
    digests = [_digest([item.identity() for item in part]) for part in parts]
    try:
        found = parse_json(read_text(mark))
    except (OSError, ValueError) as error:
        need_fact(error)
        return False
    return bool(found == {**identity, "source": _digest(digests)})


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
