"""The stack and the memo of a pickle being read, and how much of them it may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calvin.pickle_values import Ledger, Refused, named
from settings.shown import cut

#: Of a module's or a class's name in a message.
_NAME_CHARACTERS = 63


@dataclass(frozen=True)
class Limits:
    """What is read of one file. 300,000 annotations whose frames are numbers of numpy need half of `instructions`."""

    #: Of the file, and of all its arrays and texts, each counted as often as it is held.
    bytes: int = 2**31
    instructions: int = 12_000_000
    #: Texts, bytes, lists, tuples, dicts; what a name makes counts as two, and six more when it is set, as arrays are.
    objects: int = 5_000_000
    memo_reads: int = 8_000_000
    #: Lists in lists.
    nesting: int = 50
    #: Characters of a dict's key.
    key_length: int = 1_000
    #: Bytes of a whole number; numpy's longest have eight and a sign.
    number_bytes: int = 9


class Asked(Exception):
    """The pickle asks for something by this name that has no place in it."""


class Machine:
    """What a pickle being read has: its place in the file, stack, memo, and what it has used of the limits."""

    __slots__ = (
        "at",
        "content",
        "ledger",
        "limits",
        "marks",
        "memo",
        "memo_reads",
        "objects",
        "stack",
    )

    def __init__(self, content: bytes, start: int, limits: Limits) -> None:
        self.content, self.at, self.limits = content, start, limits
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.memo_reads = self.objects = 0
        self.ledger = Ledger(len(content))

    def take(self, length: int) -> bytes:
        start = self.at
        self.at = end = start + length
        if end > len(self.content):
            raise IndexError
        return self.content[start:end]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self, most: int) -> bytes:
        end = self.content.find(b"\n", self.at, self.at + most + 1)
        if end < 0:
            raise Refused("a line in it is too long, or has no end")
        line = self.content[self.at : end]
        self.at = end + 1
        return line

    def made(self, value: Any, weight: int = 1) -> None:
        self.count(weight, 0)
        self.stack.append(value)

    def count(self, objects: int, memo_reads: int) -> None:
        self.objects += objects
        self.memo_reads += memo_reads
        if self.objects > self.limits.objects:
            raise Refused(f"it has more than {self.limits.objects} objects")
        if self.memo_reads > self.limits.memo_reads:
            raise Refused(f"it looks back more than {self.limits.memo_reads} times")

    def since_mark(self) -> list[Any]:
        if not self.marks:
            raise Refused("a list in it ends that was never begun")
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise Refused(f"something is put into what is no {kind.__name__}")
        return value

    def fill(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise Refused("a dict in it has a key without a value")
        for key in items[::2]:
            if not self._is_key(key):
                raise Refused("a dict in it has a key that is neither a short text nor a number")
        target.update(zip(items[::2], items[1::2]))

    def _is_key(self, key: Any) -> bool:
        """Of tuples of numbers, and of numbers without a limit, as many as one likes have the same hash."""
        if isinstance(key, str):
            return len(key) <= self.limits.key_length
        return key is None or isinstance(key, int | np.integer) or type(key) is float

    def name(self, module: str, name: str) -> None:
        found = named(module, name)
        if found is None:
            raise Asked(f"{cut(module, _NAME_CHARACTERS)}.{cut(name, _NAME_CHARACTERS)}")
        self.stack.append(found)
