"""Where the columns of a parquet file lie, and how large they are: read from its footer here.

pyarrow tells it too, but ends the whole process over a footer whose parts contradict each other, where its own reading
of the same file raises. Of the footer only these numbers are looked at; all else is passed by, and never more of it
than there is.

Source: Apache Parquet, parquet.thrift (FileMetaData, RowGroup, ColumnChunk, ColumnMetaData); Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeVar

T = TypeVar("T")

#: Lists, structures and longer texts of one footer; a file of 20,000 episodes has some millions.
_MOST_VALUES = 20_000_000
_MOST_DEPTH = 32
#: Bytes of a footer that is kept with what was read of it.
_MOST_KEPT = 4 << 20

#: Thrift's types, as the compact protocol numbers them.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
#: Of ColumnMetaData: uncompressed and compressed size, place of the first data page and of the dictionary.
_UNCOMPRESSED, _COMPRESSED, _DATA, _DICTIONARY = 6, 7, 9, 11
_SIZES = frozenset((_UNCOMPRESSED, _COMPRESSED, _DATA, _DICTIONARY))


class Leaf(NamedTuple):
    """A column of one row group, in bytes. begin: of its first page within the file."""

    begin: int
    compressed: int
    uncompressed: int


def leaves_of(footer: bytes) -> list[list[Leaf]]:
    """The columns of each row group, in the order of the schema. Raises ValueError for what is no footer.

    Those of the last files are kept: one holds many episodes, and is opened for each.
    """
    return _walked(footer) if len(footer) > _MOST_KEPT else _kept(footer)


@lru_cache(maxsize=8)
def _kept(footer: bytes) -> list[list[Leaf]]:
    return _walked(footer)


def _walked(footer: bytes) -> list[list[Leaf]]:
    try:
        return _Walk(footer).groups()
    except IndexError:
        raise ValueError("the footer ends before what it tells of does") from None


class _Walk:
    """Through a footer, once and forward. Places are handed from one to the next, which is what takes no time."""

    def __init__(self, content: bytes) -> None:
        self._content, self._values = content, 0

    def groups(self) -> list[list[Leaf]]:
        content, place, number = self._content, 0, 0
        while head := content[place]:
            number, place = self._field(number, place)
            if number == 4 and head & 0x0F == _LIST:
                return self._each(place, self._group)[0]
            place = self._skip(head & 0x0F, place, 0)
        return []

    def _group(self, place: int) -> tuple[list[Leaf], int]:
        content, number = self._content, 0
        leaves: list[Leaf] = []
        while head := content[place]:
            number, place = self._field(number, place)
            if number == 1 and head & 0x0F == _LIST:
                leaves, place = self._each(place, self._leaf)
            else:
                place = self._skip(head & 0x0F, place, 0)
        return leaves, place + 1

    def _leaf(self, place: int) -> tuple[Leaf, int]:
        content, number = self._content, 0
        sizes: dict[int, int] = {}
        while head := content[place]:
            number, place = self._field(number, place)
            if number == 3 and head & 0x0F == _STRUCT:
                sizes, place = self._sizes(place)
            else:
                place = self._skip(head & 0x0F, place, 0)
        try:
            begin = sizes.get(_DICTIONARY) or sizes[_DATA]
            return Leaf(begin, sizes[_COMPRESSED], sizes[_UNCOMPRESSED]), place + 1
        except KeyError:
            raise ValueError("the footer does not tell of a column where it lies") from None

    def _sizes(self, place: int) -> tuple[dict[int, int], int]:
        content, number = self._content, 0
        found: dict[int, int] = {}
        while head := content[place]:
            kind, step = head & 0x0F, head >> 4
            number, place = (number + step, place + 1) if step else self._signed(place + 1)
            if kind == _I64 and number in _SIZES:
                found[number], place = self._signed(place)
            elif _I16 <= kind <= _I64:
                while content[place] >= 0x80:
                    place += 1
                place += 1
            else:
                place = self._skip(kind, place, 0)
        return found, place + 1

    def _each(self, place: int, read: Callable[[int], tuple[T, int]]) -> tuple[list[T], int]:
        many, kind, place = self._list_head(place)
        if many and kind != _STRUCT:
            raise ValueError("the footer lists what are no row groups or columns")
        found = []
        for _ in range(many):
            one, place = read(place)
            found.append(one)
        return found, place

    def _field(self, before: int, place: int) -> tuple[int, int]:
        """The number of the field that begins there, and where its value does."""
        step = self._content[place] >> 4
        if step:
            return before + step, place + 1
        return self._signed(place + 1)

    def _list_head(self, place: int) -> tuple[int, int, int]:
        """How many, of which type, and where they begin."""
        head = self._content[place]
        many, place = (head >> 4, place + 1) if head >> 4 != 15 else self._whole(place + 1)
        return many, head & 0x0F, place

    def _whole(self, place: int) -> tuple[int, int]:
        """An unsigned number of at most 64 bits."""
        content, found, shift = self._content, 0, 0
        while (byte := content[place]) >= 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
            place += 1
            if shift > 63:
                raise ValueError("the footer has a number of more than 64 bits")
        return found | byte << shift, place + 1

    def _signed(self, place: int) -> tuple[int, int]:
        found, place = self._whole(place)
        return (found >> 1) ^ -(found & 1), place

    def _skip(self, kind: int, place: int, depth: int) -> int:
        """Where what follows a value begins."""
        content = self._content
        self._values += 1
        if self._values > _MOST_VALUES:
            raise ValueError(f"the footer has more than {_MOST_VALUES} values")
        if kind <= _FALSE and kind:  # a field's head is its value
            return place
        if _I16 <= kind <= _I64:
            while content[place] >= 0x80:
                place += 1
            return place + 1
        if kind == _BINARY:
            length, place = self._whole(place)
            return place + length
        if kind == _STRUCT:
            if depth >= _MOST_DEPTH:
                raise ValueError("the footer is nested too deeply")
            while head := content[place]:
                kind = head & 0x0F
                place = place + 1 if head >> 4 else self._signed(place + 1)[1]
                if _I16 <= kind <= _I64:  # most fields: as below, without a call for each
                    while content[place] >= 0x80:
                        place += 1
                    place += 1
                elif kind == _BINARY and content[place] < 0x80:
                    place += 1 + content[place]
                else:
                    place = self._skip(kind, place, depth + 1)
            return place + 1
        if kind in (_LIST, _SET):
            many, of, place = self._list_head(place)
            return self._skip_entries(many, (of,), place, depth)
        if kind == _MAP:
            many, place = self._whole(place)
            if not many:
                return place
            return self._skip_entries(many, (content[place] >> 4, content[place] & 0x0F), place + 1, depth)
        if kind in (_BYTE, _DOUBLE):
            return place + (1 if kind == _BYTE else 8)
        raise ValueError(f"the footer has a value of the type {kind}, which is none")

    def _skip_entries(self, many: int, kinds: tuple[int, ...], place: int, depth: int) -> int:
        """Of a list or a map. Each takes a byte at least: one that promises more than is there ends at its end."""
        if depth >= _MOST_DEPTH:
            raise ValueError("the footer is nested too deeply")
        content = self._content
        for _ in range(many):
            for kind in kinds:
                if kind == _BINARY and content[place] < 0x80:
                    place += 1 + content[place]
                elif (kind == _I32 and content[place] < 0x80) or _TRUE <= kind <= _BYTE:
                    place += 1
                else:
                    place = self._skip(kind, place, depth + 1)
            if place > len(content):
                raise IndexError
        return place
