"""Results of an evaluation on disk, sequence by sequence, so that a command can be broken off and repeated."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from errors import InvalidInput
from settings import files
from settings.documents import parse_json
from settings.faults import need_mistake
from settings.json_values import JsonObject
from settings.regular import is_there, need_regular
from settings.shown import cut, shown
from tasks.evaluate.closed_loop import Entry

#: A sequence takes about 500 bytes.
_MOST_BYTES = 256 << 20


class ResultsFile:
    """JSON lines: first what is evaluated, then one entry per finished sequence, in the order of their ends."""

    def __init__(self, path: Path, about: JsonObject) -> None:
        """Opens or begins the file. about: all that decides the results, plain JSON. Raises InvalidInput when the
        file holds the results of another evaluation, cannot be read or written, or another command is writing it.

        A last line that was cut short is dropped. The file is ours until this object goes, or its process. A device
        or pipe (/dev/null, /dev/stdout) is only written to: nothing in it goes on.
        """
        self._path = path
        self.entries: list[Entry] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_there(path) and not files.is_stream(path):
                need_regular(path, _MOST_BYTES)
            self._stream = self._open()
            if files.is_stream(path):
                files.append(self._stream.fileno(), _line({"evaluation": dict(about)}).encode())
                return
            content = self._stream.read().decode("utf-8")
            if content:
                self.entries, sound = self._read(content, about)
            else:  # new, or begun by a command that was killed at once
                sound = _line({"evaluation": dict(about)})
            if sound != content:
                files.write(path, sound)
                self._stream.close()
                self._stream = self._open()
        except OSError as error:
            need_mistake(error)
            raise InvalidInput(f"results cannot be kept in {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidInput(f"{path} does not hold results of an evaluation") from None

    def add(self, entry: Entry) -> None:
        """On the disk when it returns: it is appended, as all before it would be written anew else. Raises OSError."""
        length = os.fstat(self._stream.fileno()).st_size
        try:
            files.append(self._stream.fileno(), _line(entry).encode())
        except OSError:
            with suppress(OSError):  # a full disk keeps no part of it
                os.ftruncate(self._stream.fileno(), length)
            raise
        self.entries.append(entry)

    def _open(self) -> io.FileIO:
        """For appending, from its beginning on; locked. Raises InvalidInput where another process has it."""
        if files.is_stream(self._path):
            return self._path.open("wb", buffering=0)
        while True:
            stream = self._path.open("a+b", buffering=0)
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                raise InvalidInput(f"another command is writing its results to {self._path}") from None
            except OSError:  # a file system without locks
                pass
            if files.lies_at(stream.fileno(), self._path.resolve()):
                stream.seek(0)
                return stream
            stream.close()  # it was replaced between the two

    def _read(self, content: str, about: JsonObject) -> tuple[list[Entry], str]:
        """The entries, and the file's whole lines."""
        whole, _, _torn = content.rpartition("\n")
        try:
            head, *rest = [parse_json(line) for line in whole.splitlines()]
            earlier = dict(_flat(head["evaluation"]))
            entries = [entry for entry in rest if _is_entry(entry)]
            if len(entries) < len(rest):
                raise ValueError("an entry is no sequence")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInput(f"{self._path} does not hold results of an evaluation") from None
        now = dict(_flat(about))
        for name in sorted(now.keys() | earlier.keys()):
            if now.get(name) != earlier.get(name):
                raise InvalidInput(
                    f"{self._path} holds results with {cut(name)} = {shown(earlier.get(name))}, not "
                    f"{shown(now.get(name))};"
                    " name another file"
                )
        return entries, whole + "\n"


def _is_entry(entry: object) -> TypeGuard[Entry]:
    """As `tasks.evaluate.closed_loop.entry_of` makes them. Raises KeyError where it is of no sequence."""
    if not isinstance(entry, dict):
        return False
    counts, tasks = (entry["sequence"], entry["done"]), entry["tasks"]
    are_counts = all(type(count) is int and count >= 0 for count in counts)
    return are_counts and isinstance(tasks, list) and all(isinstance(task, str) for task in tasks)


def _line(value: JsonObject | Entry) -> str:
    return json.dumps(value) + "\n"


def _flat(values: JsonObject, place: str = "") -> Iterator[tuple[str, object]]:
    """Values by their whole path, so that a difference is named precisely."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield place + name, value
