"""Values from outside as messages show them: short, on one line, and never worked out further than they are shown."""

from __future__ import annotations

import builtins
import re
import reprlib
from datetime import datetime
from typing import Any

#: Of one value in a message.
MOST_CHARACTERS = 80
#: Of a path in a message: Linux takes no longer one.
_LONGEST_PATH = 4096
#: What moves a terminal's cursor, reorders what stands beside it, or ends a line: C0, DEL and C1, marks of direction,
#: separators of lines and paragraphs; and halves of characters, which no file takes.
_MOVES = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_MOVES_WITHIN_LINES = _MOVES.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f")
#: Of a part of a file's name; file systems take 255 of the whole.
_LONGEST_NAME_BYTES = 200
#: Before the second and later lines of one text in a log, so that none of them passes for the first one of another.
MORE = "| "
#: A larger whole number is told by its size: writing it out takes time that grows with the square of its digits.
_MOST_BITS = 256


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = self.maxlong = 2 * MOST_CHARACTERS
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 12

    def repr_int(self, x: int, level: int) -> str:
        return builtins.repr(x) if x.bit_length() <= _MOST_BITS else f"a number of {x.bit_length()} bits"

    def repr_str(self, x: str, level: int) -> str:
        return builtins.repr(x[: self.maxstring])

    def repr_bytes(self, x: bytes, level: int) -> str:
        return builtins.repr(x[: self.maxstring])

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In the order that the file has, as `repr` gives it."""
        if level <= 0 and x:
            return "{...}"
        first = [item for item, _ in zip(x.items(), range(self.maxdict))]
        inner = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in first]
        return "{" + ", ".join([*inner, *(["..."] if len(x) > len(first) else [])]) + "}"


def shown(value: Any, most: int = MOST_CHARACTERS) -> str:
    """As `repr` has it, but at most about `most` characters; what is not shown is not looked at."""
    return cut(_Short().repr(value), most)


def shown_path(path: object) -> str:
    """A path, or what is meant as one, in quotes and whole, as long as it can be one."""
    return repr(_begin(str(path), _LONGEST_PATH))


def cut(text: str, most: int = MOST_CHARACTERS) -> str:
    """A name from outside, without quotes, at most about `most` characters of it; what moves a terminal is escaped."""
    begin = _begin(text, most)
    if begin.isprintable():
        return begin
    return _begin("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in begin), most)


def first_line(error: BaseException, most: int = 400) -> str:
    """What an error of a library says, but for its second and later lines; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return cut(lines[0], most) if lines else type(error).__name__


def one_line(text: str) -> str:
    """All of a text from outside, on one line: what moves a terminal, or is none of a line, is escaped."""
    return re.sub(_MOVES, _escaped, text)


def plain(text: str) -> str:
    """As `one_line`, but ends of lines and tabs stay."""
    return re.sub(_MOVES_WITHIN_LINES, _escaped, text)


def continued(text: str) -> str:
    """As `plain`, with a mark before the second and later lines."""
    return plain(text).replace("\n", f"\n{MORE}")


def readable(value: Any) -> Any:
    """A document for people: every text in it is one line, keys too."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list | tuple) else value


def as_file_name(text: str) -> str:
    """What a file system takes for a part of a file's name, and no path in it."""
    letters = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text)
    return letters.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")


def moment(at: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Unix seconds as the clock of this machine shows them; the number itself where no calendar has it."""
    try:
        return datetime.fromtimestamp(at).strftime(form)
    except (ValueError, OverflowError, OSError):
        return shown(at)


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    # DEL as JSON has it, which is the one of these that `json.dumps` lets through.
    return r"\u007f" if letter == "\x7f" else letter.encode("unicode_escape").decode()


def _begin(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def size_told(count: int) -> str:
    """Bytes, for people: 1.2 GB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
