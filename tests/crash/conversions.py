"""Kills a conversion at every write, lets another process go on, and compares the bytes.

    python -m tests.crash.conversions FOLDER [--every N] [--form "v3.0 png float64"]

Prints one JSON document: form -> kinds of its moments, how many were tried, what went wrong. A moment is every sync,
rename, unlink and removal, every write into a file that `settings.files` makes, and every frame's archive; a process
that dies at a write leaves half of it. Of the writes into one file three are tried, as what is there after a death at
any of them is the same but for the length of a file without a name. Conversions are forked children of this process,
which has read demonstrations: what is tried is writing. Nor do they sync the whole machine: who is killed loses nothing
of what a disk was to hold.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import av  # noqa: F401  # imported once, before the children
import numpy as np
import pyarrow
import pyarrow.parquet

from calvin.conversion import convert as conversion
from calvin.conversion.source import Item, Source, opened_source
from calvin.conversion.target import Piece
from calvin.split import NOTHING_SAID
from settings.files import aside_of
from tests.calvin.conversion.converting import bytes_of, dataset, target_of
from tests.crash import moments
from tests.crash.children import in_child

#: Of each demonstration.
FRAMES = 2
WRITE = "write of a stream"
FORMS = ("v3.0 png float64", "v3.0 film float32", "v2.1 png float64", "v2.1 film float32", "calvin")


class _Torn:
    """A stream whose every write is a moment: who dies there has written half."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        def half() -> None:
            self._stream.write(bytes(data)[: len(data) // 2])
            self._stream.flush()

        moments.pass_by(WRITE, half)
        written: int = self._stream.write(data)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Torn:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stream.__exit__(*error)


def install() -> None:
    """Number what a conversion does to the disk."""
    moments.install()
    fdopen, savez, remove = os.fdopen, np.savez_compressed, shutil.rmtree

    def torn(*args: Any, **kwargs: Any) -> Any:
        return _Torn(fdopen(*args, **kwargs))

    def saved(path: Path, **arrays: Any) -> None:
        moments.pass_by("frame", lambda: path.write_bytes(b"PK half"))
        savez(path, **arrays)

    def removed(path: Path, *args: Any, **kwargs: Any) -> None:
        def half() -> None:
            for entry in sorted(p for p in Path(path).rglob("*") if p.is_file())[::2]:
                entry.unlink()

        moments.pass_by("removal", half)
        remove(path, *args, **kwargs)
        moments.pass_by("after removal", lambda: None)

    os.fdopen = torn
    np.savez_compressed = saved  # type: ignore[assignment]
    shutil.rmtree = removed  # type: ignore[assignment]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="one in so many moments of each kind")
    parser.add_argument("--form", choices=FORMS, action="append", help="only this; more than once for more")
    options = parser.parse_args()
    install()
    conversion.PART = 2
    pyarrow.array([""])  # imports pandas, once and not in every child
    os.sync = lambda: None
    source = _read(dataset(options.folder / "npz", training=3))
    found = {form: _tried(source, options.folder, form, options.every) for form in (options.form or FORMS)}
    print(json.dumps(found))
    return 0


def _read(root: Path) -> Source:
    source = opened_source(root, NOTHING_SAID, False)
    return replace(source, items=tuple(map(_read_item, source.items)))


def _read_item(item: Item) -> Item:
    """Of its frames the first: more are drawn and encoded, and written by the same writes."""
    identity, episode = item.identity(), item.read(0).episode
    first = {name: array[:FRAMES] for name, array in vars(episode).items() if _is_of_frames(array)}
    piece = Piece(replace(episode, **first, end=episode.start + FRAMES - 1))
    return replace(item, identity=lambda: identity, read=lambda before: piece, frames=FRAMES)


def _is_of_frames(value: object) -> bool:
    return isinstance(value, np.ndarray | tuple)


def _tried(source: Source, folder: Path, form: str, every: int) -> dict[str, Any]:
    words, facts, out = folder / "words", folder / "facts", folder / "out"

    def live(fatal: int) -> None:
        moments.arm(fatal)
        list(conversion.convert(source, target_of(source, form), out))
        facts.write_text(json.dumps(moments.passed()))

    assert in_child(lambda: live(-1), words) == 0, words.read_text()
    names, expected = json.loads(facts.read_text()), bytes_of(out)
    wrong: dict[str, str] = {}
    tried = []
    met: Counter[str] = Counter()
    for number in _told_apart(names):
        name = names[number]
        met[name] += 1
        if (met[name] - 1) % every:
            continue
        tried.append(number)
        _clear(out)
        died = in_child(lambda number=number: live(number), words)  # type: ignore[misc]
        if died != -signal.SIGKILL:
            wrong[f"{number} {name}"] = f"ended with {died}: {words.read_text() if words.exists() else ''}"
            continue
        if out.exists() and bytes_of(out) != expected:
            wrong[f"{number} {name}"] = "a torn folder has its name"
        elif in_child(lambda: live(-1), words) != 0:
            wrong[f"{number} {name}"] = words.read_text()
        elif bytes_of(out) != expected:
            wrong[f"{number} {name}"] = "other bytes than those of the undisturbed conversion"
        elif left := [entry.name for entry in folder.iterdir() if entry.name.startswith(".partial")]:
            wrong[f"{number} {name}"] = f"left behind: {left}"
    _clear(out)
    return {"kinds": Counter(names), "tried": len(tried), "wrong": wrong}


def _told_apart(names: list[str]) -> Iterator[int]:
    """Of the writes into one file, which has its name only after them, the first, the middle and the last."""
    number = 0
    for name, run in groupby(names):
        count = len(list(run))
        places = {0, count // 2, count - 1} if name == WRITE else range(count)
        yield from (number + place for place in sorted(places))
        number += count


def _clear(out: Path) -> None:
    moments.arm(-1)
    for folder in (out, aside_of(out)):
        if folder.exists():
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
