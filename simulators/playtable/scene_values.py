"""Values of a scene's configuration, as somebody wrote them: each has its form and range before PyBullet gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InvalidInput
from settings.faults import need_mistake
from settings.shown import shown
from simulators.playtable.scene import FARTHEST, Surface, Vector

_LONGEST_NAME = 100


@dataclass(frozen=True)
class Entry:
    """A value, and where it stands: its file, and the dotted key in it. What cannot be used raises InvalidInput."""

    value: Any
    file: Path
    key: str = ""

    def of(self, key: str) -> Entry:
        """The entry below this one."""
        mapping = self.mapping()
        if key not in mapping:
            raise InvalidInput(f"{self.file}: {self._below(key)} is missing")
        return Entry(mapping[key], self.file, self._below(key))

    def mapping(self) -> Mapping[Any, Any]:
        if not isinstance(self.value, Mapping):
            raise self.refusal("no mapping")
        return self.value

    def number(self, least: float = -FARTHEST, most: float = FARTHEST) -> float:
        """Between `least` and `most`, both included."""
        if not _is_number(self.value) or not least <= self.value <= most:
            raise self.refusal(f"no number from {least:g} to {most:g}")
        return float(self.value)

    def whole(self, least: int, most: int) -> int:
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.refusal(f"no whole number from {least} to {most}")
        return self.value

    def numbers(self, count: int, least: float = -FARTHEST, most: float = FARTHEST) -> tuple[float, ...]:
        if (
            not isinstance(self.value, list)
            or len(self.value) != count
            or not all(_is_number(number) and least <= number <= most for number in self.value)
        ):
            raise self.refusal(f"not {count} numbers from {least:g} to {most:g}")
        return tuple(map(float, self.value))

    def vector(self) -> Vector:
        x, y, z = self.numbers(3)
        return x, y, z

    def surface(self) -> Surface:
        if not isinstance(self.value, list) or len(self.value) != 2:
            raise self.refusal("no lower and upper corner")
        low, high = (Entry(corner, self.file, self.key).vector() for corner in self.value)
        if any(lower > upper for lower, upper in zip(low, high)):
            raise self.refusal("no lower and upper corner")
        return low, high

    def name(self) -> str:
        if not isinstance(self.value, str) or not 0 < len(self.value) <= _LONGEST_NAME:
            raise self.refusal(f"no name of 1 to {_LONGEST_NAME} characters")
        return self.value

    def below(self, folder: Path) -> Path:
        """The file in `folder` that is named here, which may not exist."""
        if not isinstance(self.value, str) or not self.value or not self.value.isprintable():
            raise self.refusal("no name of a file")
        try:
            (folder / self.value).is_file()
        except OSError as error:  # a name that no file system takes
            need_mistake(error)
            raise self.refusal(f"no name of a file ({error.strerror})") from None
        return folder / self.value

    def refusal(self, what: str) -> InvalidInput:
        """what: the end of a sentence."""
        return InvalidInput(f"{self.file}: {self.key} is {shown(self.value)}, {what}")

    def _below(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
