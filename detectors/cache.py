"""Nothing is detected twice: what a finder said about a picture, kept by content.

The key is a hash of the finder's name and version, the phrase and the picture, so a frame that several
demonstrations share, or a second run, costs a look-up. In memory, or in an SQLite file that processes share.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import Candidate, Finder, NoTarget, Reason, Source, Target
from errors import InvalidInput

_WAIT_SECONDS = 30.0


class FinderCache:
    """Answers of finders. `path`: an SQLite file, made where it is missing; None keeps them in memory.

    `hits` and `misses` count pictures. Raises InvalidInput when the file is no such cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.hits = 0
        self.misses = 0
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_WAIT_SECONDS, check_same_thread=False
            )
            with self._connection as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS found (key BLOB PRIMARY KEY, answer TEXT)")
        except sqlite3.Error as error:
            raise InvalidInput(f"{path} cannot be used as a gaze cache: {error}") from None

    def find(
        self, finder: Finder, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool
    ) -> list[list[Candidate] | NoTarget]:
        """The finder's answers for these pictures; it is asked only about those it never saw."""
        prefix = json.dumps([finder.name, finder.version, asdict(target), thoroughly]).encode()
        keys = [_key(prefix, image) for image in images]
        answers = {key: answer for key in set(keys) if (answer := self._read(key)) is not None}
        new: dict[bytes, NDArray[np.uint8]] = {}
        for key, image in zip(keys, images, strict=True):
            if key not in answers:
                new[key] = image
        self.hits += len(images) - len(new)
        self.misses += len(new)
        if new:
            ask = finder.find_thoroughly if thoroughly else finder.find
            fresh = ask(list(new.values()), target)
            answers |= dict(zip(new, fresh, strict=True))
            self._write({key: answers[key] for key in new})
        return [answers[key] for key in keys]

    def close(self) -> None:
        self._connection.close()

    def _read(self, key: bytes) -> list[Candidate] | NoTarget | None:
        row = self._connection.execute("SELECT answer FROM found WHERE key = ?", (key,)).fetchone()
        return None if row is None else _parse(json.loads(row[0]))

    def _write(self, answers: dict[bytes, list[Candidate] | NoTarget]) -> None:
        rows = [(key, json.dumps(_plain(answer))) for key, answer in answers.items()]
        with self._connection as connection:
            connection.executemany("INSERT OR REPLACE INTO found VALUES (?, ?)", rows)


def _key(prefix: bytes, image: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(prefix, digest_size=20)
    digest.update(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _plain(answer: list[Candidate] | NoTarget) -> Any:
    if isinstance(answer, NoTarget):
        return {"reason": answer.reason.value, "detail": answer.detail}
    return [[list(one.box), one.score, one.words, one.source.value] for one in answer]


def _parse(plain: Any) -> list[Candidate] | NoTarget:
    if isinstance(plain, dict):
        return NoTarget(Reason(plain["reason"]), plain["detail"])
    return [Candidate(tuple(box), score, words, Source(source)) for box, score, words, source in plain]
