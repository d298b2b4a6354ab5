"""Results of an evaluation on disk, sequence by sequence, so that a command can be broken off and repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import InvalidInput


class ResultsFile:
    """JSON lines: first what is evaluated, then one entry per finished sequence, in the order of their ends."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Opens or begins the file. Raises InvalidInput when it holds the results of another evaluation, or cannot
        be read or written.

        A last line that was cut short is dropped.
        """
        self._path = path
        self.entries: list[dict[str, Any]] = []
        try:
            if path.exists():
                self.entries = self._read(dict(about))
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

    def _read(self, about: dict[str, Any]) -> list[dict[str, Any]]:
        content = self._path.read_text(encoding="utf-8")
        whole, _, torn = content.rpartition("\n")
        try:
            head, *entries = [json.loads(line) for line in whole.splitlines()]
            earlier = head["evaluation"]
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(f"{self._path} does not hold results of an evaluation") from None
        for name in sorted(about.keys() | earlier.keys()):
            if about.get(name) != earlier.get(name):
                raise InvalidInput(
                    f"{self._path} holds results with {name} = {earlier.get(name)!r}, not {about.get(name)!r};"
                    " name another file"
                )
        if torn:
            self._path.write_text(whole + "\n", encoding="utf-8")
        return entries
