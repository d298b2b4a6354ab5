"""Random changes of bytes, texts and values. The same generator gives the same change."""

from __future__ import annotations

import copy
import random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 7, 255, 65_536, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**90, 0.5, -0.0,
    1e-320, 1e300, float("inf"), float("nan"), True,
)  # fmt: skip
TEXTS = (
    "", " ", "x", "x" * 3000, "名" * 90, "a\0b", "a\nb", "\x1b[2J", "\u202e", "..", "../x", "/x", "~", "1e6", "012",
    "null", "=1+1", "no", "2026-01-01",
)  # fmt: skip


def one_of(draw: random.Random) -> Any:
    """A value that is seldom meant."""
    kinds = (NUMBERS, TEXTS, (None, [], {}, [[]], [None], {"": 1}, {"x": {"x": []}}))
    return copy.deepcopy(draw.choice(draw.choice(kinds)))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def changed_value(draw: random.Random, value: Any) -> Any:
    """A copy of a tree of dicts and lists in which one to three entries are changed, lost, doubled or renamed."""
    value = copy.deepcopy(value)
    for _ in range(draw.randint(1, 3)):
        value = _changed_once(draw, value)
    return value


def _changed_once(draw: random.Random, value: Any) -> Any:
    places = [place for place in _inner(value) if place]
    if not places or draw.random() < 0.03:
        return one_of(draw)
    holder = draw.choice(places)
    key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    how = draw.randrange(6)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[draw.choice(TEXTS)] = holder.pop(key)
    elif how == 1:
        holder.extend([holder[key]] * draw.choice((1, 3, 400)))
    elif how == 2:
        holder[key] = copy.deepcopy(draw.choice(places))
    elif how == 3:
        holder[key] = nested(draw.choice((3, 60, 140)))
    else:
        holder[key] = one_of(draw)
    return value


def _inner(value: Any) -> list[Any]:
    """All dicts and lists of a tree."""
    found, todo = [], [value]
    while todo:
        holder = todo.pop()
        if isinstance(holder, (dict, list)):
            found.append(holder)
            todo += holder.values() if isinstance(holder, dict) else holder
    return found


def changed_bytes(draw: random.Random, data: bytes, near: tuple[int, ...] = ()) -> bytes:
    """One to four changes: bits, bytes, whole numbers at the edge, pieces that are lost, doubled or moved.

    near: offsets of structure; half of the changes are within 64 bytes of one.
    """
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if not changed:
            break
        at = draw.randrange(len(changed))
        if near and draw.random() < 0.5:
            at = min(len(changed) - 1, draw.choice(near) + draw.randrange(64))
        length = min(draw.choice((1, 2, 4, 8, 40, 900)), len(changed) - at)
        how = draw.randrange(7)
        if how == 0:
            changed[at] ^= 1 << draw.randrange(8)
        elif how == 1:
            changed[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x22, 0x28))
        elif how == 2:
            size = draw.choice((1, 2, 4, 8))
            number = draw.choice((0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**62, 2**64 - 1)) % (1 << 8 * size)
            changed[at : at + size] = number.to_bytes(size, draw.choice(("little", "big")))
        elif how == 3:
            del changed[at : at + length]
        elif how == 4:
            changed[at:at] = changed[at : at + length] * draw.choice((1, 2, 30))
        elif how == 5:
            to = draw.randrange(len(changed))
            piece = changed[at : at + length]
            changed[to : to + len(piece)] = piece
        else:
            del changed[at:]
    return bytes(changed)


def changed_text(draw: random.Random, text: str, marks: tuple[str, ...]) -> str:
    """One to three of `marks` put in, or lines lost, doubled, moved deeper."""
    for _ in range(draw.randint(1, 3)):
        lines = text.split("\n")
        number = draw.randrange(len(lines))
        line, how = lines[number], draw.randrange(5)
        at = draw.randrange(len(line) + 1)
        if how <= 1:
            lines[number] = line[:at] + draw.choice(marks) + line[at:]
        elif how == 2:
            lines[number : number + 1] = [line] * draw.choice((0, 2, 50))
        elif how == 3:
            lines[number] = " " * draw.choice((1, 2, 9)) + line
        else:
            lines[number] = line[:at]
        text = "\n".join(lines)
    return text
