"""Results of an evaluation on disk, sequence by sequence, so that a command can be broken off and repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from errors import InvalidInput
from settings.documents import parse_json


class ResultsFile:
    """JSON lines: first what is evaluated, then one entry per finished sequence, in the order of their ends."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Opens or begins the file. about: all that decides the results, plain JSON. Raises InvalidInput when the
        file holds the results of another evaluation, or cannot be read or written.

        A last line that was cut short is dropped.
        """
        self._path = path
        self.entries: list[dict[str, Any]] = []
        try:
            if path.exists():
                self.entries = self._read(about)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._append({"evaluation": dict(about)})
        except OSError as error:
            raise InvalidInput(f"results cannot be kept in {path}: {error.strerror}") from None

    def add(self, entry: dict[str, Any]) -> None:
        """On the disk when it returns."""
        self.entries.append(entry)
        self._append(entry)

    def _append(self, value: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(value) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self, about: Mapping[str, Any]) -> list[dict[str, Any]]:
        content = self._path.read_text(encoding="utf-8")
        whole, _, torn = content.rpartition("\n")
        try:
            head, *entries = [parse_json(line) for line in whole.splitlines()]
            earlier = dict(_flat(head["evaluation"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidInput(f"{self._path} does not hold results of an evaluation") from None
        now = dict(_flat(about))
        for name in sorted(now.keys() | earlier.keys()):
            if now.get(name) != earlier.get(name):
                raise InvalidInput(
                    f"{self._path} holds results with {name} = {earlier.get(name)!r}, not {now.get(name)!r};"
                    " name another file"
                )
        if torn:
            self._path.write_text(whole + "\n", encoding="utf-8")
        return entries


def _flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Values by their whole path, so that a difference is named precisely."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield place + name, value
