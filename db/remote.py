"""Artifacts as objects below one URL, wherever fsspec can write: S3, Google Cloud Storage, a network folder."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import fsspec

from errors import ConfigError, EnvironmentLacks, StoreUnreachable
from settings.deadline import result_at_pace
from settings.faults import FULL
from settings.shown import first_line

Result = TypeVar("Result")

#: What a store may take for one request, beside the bytes that it moves: libraries try again by themselves, and wait
#: for every read of an answer anew.
ANSWER_SECONDS = 300.0

#: Protocols whose objects appear whole or not at all; elsewhere a copy has another name until it is complete.
_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az"})

#: Where such copies lie. Nobody is making one while the store stands still.
_INCOMING = "incoming"

_MARK, _NOTE = "README", "owner"

#: The folder of the home that the objects mirror.
_ARTIFACTS = "artifacts/"

#: Bytes read at a time when hashing.
_BLOCK = 8 << 20


class Remote:
    """Objects by the path that their artifact has in a home. Methods raise StoreUnreachable."""

    def __init__(self, url: str, named_in: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        """named_in: for messages, as the URL may hold a secret. Raises ConfigError or EnvironmentLacks."""
        protocol = url.partition("://")[0]
        try:
            # What another machine has added must be seen.
            self._files, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise EnvironmentLacks(f"{named_in}: artifacts at {protocol}:// need more: {error}") from None
        except ValueError as error:
            raise ConfigError(f"{named_in} is no place for artifacts: {error}") from None
        self._named_in = named_in
        self._answer_seconds = answer_seconds
        self._atomic = protocol in _ATOMIC

    def upload(self, file: Path, relative: str) -> None:
        """With the server when it returns, and as durable as that keeps things.

        Replaces what was there, which mends it where it was damaged.
        """
        target = self._key(relative)
        with self._reached(absence=False):
            size = file.stat().st_size
            if self._atomic:
                self._ask(lambda: self._files.put_file(str(file), target), lambda: size)
                return
            partial = f"{self._root}/{_INCOMING}/{secrets.token_hex(16)}"
            self._ask(lambda: self._files.makedirs(f"{self._root}/{_INCOMING}", exist_ok=True))
            self._ask(lambda: self._files.makedirs(target.rpartition("/")[0], exist_ok=True))
            self._ask(lambda: self._files.put_file(str(file), partial), lambda: size)
            self._ask(lambda: self._files.mv(partial, target))

    def mark(self) -> None:
        """Leave a sign that a state's objects are here; makes the bucket or folder if need be."""
        with self._reached(absence=False):
            self._ask(lambda: self._files.makedirs(self._root, exist_ok=True))
            text = b"Objects of a Baton state. They are removed by `artifacts gc`.\n"
            self._ask(lambda: self._files.pipe_file(self._key(_MARK), text))

    def is_marked(self) -> bool:
        with self._reached():
            return bool(self._ask(lambda: self._files.exists(self._key(_MARK))))

    def note(self, text: bytes) -> None:
        """Keep a few words about the objects (`db.ownership`) beside them."""
        with self._reached(absence=False):
            self._ask(lambda: self._files.pipe_file(self._key(_NOTE), text))

    def noted(self) -> bytes | None:
        """What `note` kept last, None where nothing was."""
        with self._reached():
            try:
                return bytes(self._ask(lambda: self._files.cat_file(self._key(_NOTE))))
            except FileNotFoundError:
                return None

    def download(self, relative: str, target: Path) -> None:
        """Raises FileNotFoundError when there is no such object."""
        with self._reached():
            self._ask(lambda: self._files.get_file(self._key(relative), str(target)), lambda: _size(target))

    def digest(self, relative: str) -> tuple[str, int]:
        """(SHA-256, bytes) of an object as it is now. Raises FileNotFoundError."""
        digest, size = hashlib.sha256(), 0

        def read() -> None:
            nonlocal size
            with self._files.open(self._key(relative), "rb", block_size=_BLOCK) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    size += len(block)

        with self._reached():
            self._ask(read, lambda: size)
        return digest.hexdigest(), size

    def listing(self, prefix: str) -> dict[str, int]:
        """Path -> bytes of the artifacts whose digest begins with these two digits."""
        with self._reached():
            try:
                key = self._key(f"{_ARTIFACTS}{prefix}")
                found = self._ask(lambda: self._files.find(key, detail=True))
            except FileNotFoundError:
                return {}
        start = len(self._root) + 1
        return {_ARTIFACTS + key[start:]: int(about["size"]) for key, about in found.items()}

    def remove(self, relatives: Sequence[str]) -> None:
        """What is not there any more is no error."""
        with self._reached():
            keys = [self._key(relative) for relative in relatives]
            if keys:
                self._ask(lambda: self._files.rm(keys))

    def remove_incoming(self) -> None:
        """What uploads that died have left. Only while no other is under way."""
        if self._atomic:
            return
        with self._reached():
            folder = f"{self._root}/{_INCOMING}"
            if self._ask(lambda: self._files.exists(folder)):
                self._ask(lambda: self._files.rm(folder, recursive=True))

    def _ask(self, call: Callable[[], Result], moved: Callable[[], int] = lambda: 0) -> Result:
        """moved: bytes so far, or of the whole where that is all that is known."""
        return result_at_pace(call, self._answer_seconds, moved)

    def _key(self, relative: str) -> str:
        return f"{self._root}/{relative.removeprefix(_ARTIFACTS)}"

    @contextmanager
    def _reached(self, absence: bool = True) -> Iterator[None]:
        """Every protocol has errors of its own: to whoever asks they are all one.

        absence: FileNotFoundError is an answer; else (no such bucket) it is one of them.
        """
        try:
            yield
        except Exception as error:
            if absence and isinstance(error, FileNotFoundError):
                raise
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            raise StoreUnreachable(
                f"the store named in {self._named_in} does not work: {first_line(error)}"
            ) from error


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
