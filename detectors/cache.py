"""Nothing is detected twice: what a finder said about a picture, kept by content.

The key is a hash of the finder's name, version and precision, the phrase, the picture and what the process computes
with, so a frame that several demonstrations share, or a second run, costs a look-up. In memory, or in an SQLite
file that processes share.
A cache only saves work: what cannot be read back whole counts as never seen, what cannot be written is lost.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import Candidate, Finder, NoTarget, Reason, Source, Target
from errors import InvalidInput
from settings.faults import need_mistake
from settings.shown import shown

logger = logging.getLogger("baton.gaze")

#: The file's name in a folder that processes share.
FILE_NAME = "gaze.sqlite"
#: Answers a cache holds at most, some 300 bytes each; the oldest tenth goes when it is full.
MOST_ANSWERS = 1_000_000
_WAIT_SECONDS = 30.0
_CHECK_BYTES = 8
_MAGIC = b"SQLite format 3\0"
#: "Gaze" in the file's header; caches of earlier versions have 0 there, and the one table.
_APPLICATION_ID = 0x47617A65
_TABLE = "gaze_answer"


class FinderCache:
    """Answers of finders. `path`: an SQLite file, made where it is missing; None keeps them in memory.

    `hits` and `misses` count pictures. Raises InvalidInput
    when the file is no such cache. `arithmetic`: what decides the last bits of answers (threads, processor, versions
    of libraries) in words; answers that were given with another count as never seen.
    """

    def __init__(self, path: Path | None = None, most_answers: int = MOST_ANSWERS) -> None:
        self.path = path
        self.arithmetic = ""
        self.hits = self.misses = 0
        self._most_answers = most_answers
        self._complained = False
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_WAIT_SECONDS, check_same_thread=False
            )
            # A power cut may cost answers, which are made again; waiting for the disk would cost them all time.
            self._connection.execute("PRAGMA synchronous = OFF")
            with self._connection as connection:
                _claim(connection, path)
        except (sqlite3.Error, OSError) as error:
            need_mistake(error)
            raise InvalidInput(f"{path} cannot be used as a gaze cache: {error}") from None

    def find(
        self, finder: Finder, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool
    ) -> list[list[Candidate] | NoTarget]:
        """The finder's answers for these pictures; it is asked only about those it never saw."""
        prefix = json.dumps(
            [finder.name, finder.version, finder.precision, asdict(target), thoroughly, self.arithmetic]
        ).encode()
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

    def __len__(self) -> int:
        """How many answers there are."""
        [count] = self._connection.execute("SELECT count(*) FROM gaze_answer").fetchone()
        return int(count)

    def clear(self) -> int:
        """Forget everything and give the disk its space back; safe beside processes that use the file.

        Returns how many answers there were. Raises InvalidInput when the file is damaged or stays locked.
        """
        try:
            with self._connection as connection:
                removed = connection.execute("DELETE FROM gaze_answer").rowcount
            self._connection.execute("VACUUM")
        except sqlite3.Error as error:
            raise InvalidInput(f"{self.path} cannot be cleared: {error}") from None
        return removed

    def close(self) -> None:
        self._connection.close()

    def _read(self, key: bytes) -> list[Candidate] | NoTarget | None:
        try:
            row = self._connection.execute(
                "SELECT answer, digest FROM gaze_answer WHERE key = ?", (key,)
            ).fetchone()
        except sqlite3.Error as error:
            self._complain("read", error)
            return None
        if row is None or row[1] != _digest(key, row[0]):
            return None
        return _parse(json.loads(row[0]))

    def _write(self, answers: dict[bytes, list[Candidate] | NoTarget]) -> None:
        texts = {key: json.dumps(_plain(answer)) for key, answer in answers.items()}
        rows = [(key, text, _digest(key, text)) for key, text in texts.items()]
        try:
            with self._connection as connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO gaze_answer (key, answer, digest) VALUES (?, ?, ?)", rows
                )
                # Both ends are looked up, not counted: numbers rise without gaps worth speaking of.
                oldest, newest = connection.execute(
                    "SELECT (SELECT min(number) FROM gaze_answer), (SELECT max(number) FROM gaze_answer)"
                ).fetchone()
                if newest - oldest >= self._most_answers:
                    kept_from = newest - self._most_answers * 9 // 10
                    connection.execute("DELETE FROM gaze_answer WHERE number <= ?", (kept_from,))
        except sqlite3.Error as error:
            self._complain("written", error)

    def _complain(self, what: str, error: sqlite3.Error) -> None:
        if not self._complained:
            logger.warning("gaze cache %s cannot be %s, going on without: %s", self.path, what, error)
        self._complained = True


def shared_cache(folder: Path | None) -> FinderCache:
    """The cache that processes share in a folder, or one in memory where none is named or none can be had.

    A file that is no database any more is replaced.
    """
    if folder is None:
        return FinderCache()
    file = folder / FILE_NAME
    try:
        if not _may_be_database(file):
            logger.warning("gaze cache %s is damaged: it begins anew", file)
            file.unlink()
        return FinderCache(file)
    except (InvalidInput, OSError) as error:
        logger.warning("answers of gaze detectors are kept in memory only: %s", error)
        return FinderCache()


def _claim(connection: sqlite3.Connection, path: Path | None) -> None:
    """Make the table in an empty database. Raises InvalidInput where the database is anything else than a cache."""
    [owner] = connection.execute("PRAGMA application_id").fetchone()
    if owner == _APPLICATION_ID:
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be making it just now
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = {name for (name,) in tables if not name.startswith("sqlite_")}
    [owner] = connection.execute("PRAGMA application_id").fetchone()
    if names == {_TABLE}:
        return
    if names or owner:
        holds = f"it holds {shown(min(names))}" if names else "its application_id says so"
        raise InvalidInput(
            f"{path} is another program's database ({holds}): a gaze cache needs a file of its own"
        )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(
        f"CREATE TABLE {_TABLE} (number INTEGER PRIMARY KEY, key BLOB UNIQUE, answer TEXT, digest BLOB)"
    )


def _may_be_database(file: Path) -> bool:
    """False for a file that does not begin as every SQLite file does; none and an empty one are a beginning."""
    if not file.exists():
        return True
    with file.open("rb") as stream:
        return stream.read(len(_MAGIC)) in (b"", _MAGIC)


def _digest(key: bytes, answer: str) -> bytes:
    """Tells an answer whose bytes were damaged on disk: SQLite does not."""
    return hashlib.blake2b(answer.encode(), key=key, digest_size=_CHECK_BYTES).digest()


def _key(prefix: bytes, image: NDArray[np.uint8]) -> bytes:
    digest = hashlib.blake2b(prefix, digest_size=20)
    digest.update(str(image.shape).encode())
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
