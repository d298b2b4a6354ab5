"""From what a pickle holds to plain values: holders become what they hold, and no value is larger than it looks."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from calvin.pickle_values import ArrayHolder, OmegaConfValue, Refused, Unread

_CONTAINERS = frozenset({list, tuple, dict})
_NEED_A_LOOK = _CONTAINERS | {ArrayHolder, OmegaConfValue, np.ndarray}
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
#: What hundreds of thousands of annotations are made of, besides texts: looked at by the list.
_SCALARS = frozenset(
    {int, float, bool, type(None)} | {np.dtype(code).type for code in np.typecodes["AllInteger"] + "?efdg"}
)


class Tree:
    """Settles one pickle's value.

    A pickle of a hundred bytes can hold a list of a list of ... that would have 2**40 items if somebody went through
    it, and one that holds itself. So what is held more than once counts each time, against the same limits.
    """

    def __init__(self, most_items: int, most_bytes: int, deepest: int) -> None:
        self._most_items, self._most_bytes, self._deepest = most_items, most_bytes, deepest
        self._items = self._bytes = 0
        #: id -> settled value, items and bytes in it; what is being settled has None. Kept alive by the value above.
        self._done: dict[int, tuple[Any, int, int] | None] = {}
        self._kept: list[Any] = []

    def settle(self, value: Any, depth: int = 0) -> Any:
        """`value` with plain lists, dicts, tuples and arrays in the place of holders. Raises Refused."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind not in _NEED_A_LOOK:
            return self._other(value)
        if depth > self._deepest:
            raise Refused(f"it is nested deeper than {self._deepest} levels")
        done = self._done.get(id(value), ())
        if done is None:
            raise Refused("something in it holds itself")
        if done:
            self._count(done[1], done[2])
            return done[0]
        self._done[id(value)] = None
        before = self._items, self._bytes
        self._count(1, 0)
        settled = self._settled(value, kind, depth + 1)
        self._done[id(value)] = settled, self._items - before[0], self._bytes - before[1]
        if settled is not value:
            self._kept.append(value)
        return settled

    def _count(self, items: int, count: int) -> None:
        self._items += items
        self._bytes += count
        if self._items > self._most_items:
            raise Refused(f"its lists hold more than {self._most_items} items")
        if self._bytes > self._most_bytes:
            raise Refused(f"its arrays and texts have more than {self._most_bytes} bytes")

    def _settled(self, value: Any, kind: type, depth: int) -> Any:
        if kind is dict:
            for key, item in value.items():
                settled = self._item(item, depth)
                if settled is not item:
                    value[key] = settled
            return value
        if kind is list:
            self._list(value, depth)
            return value
        if kind is tuple:
            items = list(value)
            return tuple(items) if self._list(items, depth) else value
        if kind is np.ndarray:
            return self._array(value, depth)
        return self._held(value, depth)

    def _list(self, items: list[Any], depth: int) -> bool:
        """Settle `items` in place; true where one is another object now."""
        kinds = set(map(type, items))
        if kinds == {tuple} and depth <= self._deepest:
            inside = sum(map(len, items))
            self._count(inside, 0)  # before they are gone through
            if _SCALARS.issuperset(map(type, chain.from_iterable(items))):
                self._count(2 * len(items), 0)
                return False
            self._count(-inside, 0)
        if kinds <= _SCALARS:
            self._count(len(items), 0)
            return False
        if kinds == {str}:
            self._count(len(items), sum(map(len, items)))
            return False
        changed = False
        for number, item in enumerate(items):
            settled = self._item(item, depth)
            if settled is not item:
                items[number] = settled
                changed = True
        return changed

    def _item(self, item: Any, depth: int) -> Any:
        self._items += 1
        kind = type(item)
        if kind is str or kind is bytes:
            self._count(0, len(item))
            return item
        if kind is ArrayHolder and item.array is not None and not item.array.dtype.hasobject:
            self._count(0, item.array.nbytes)
            return item.array
        return item if kind is int else self.settle(item, depth)

    def _array(self, array: np.ndarray, depth: int) -> np.ndarray:
        self._count(0, array.nbytes)
        if array.dtype.hasobject:
            items = array.ravel(order="K")  # a view: object arrays are made in one piece
            for number, item in enumerate(items):
                items[number] = self._item(item, depth)
        return array

    def _held(self, holder: ArrayHolder | OmegaConfValue, depth: int) -> Any:
        if not holder.is_set:
            raise Refused("something in it was begun and never set")
        if isinstance(holder, ArrayHolder):
            return self.settle(holder.array, depth)
        content = holder.content
        if isinstance(content, str):
            self._count(0, len(content))
        if isinstance(content, str) and ("${" in content or content == "???"):
            raise Refused("a text of OmegaConf in it stands for another one, which only OmegaConf could find")
        expected = {"ListConfig": list, "DictConfig": dict}.get(holder.kind)
        if content is not None and (
            type(content) is not expected if expected else type(content) not in _PLAIN
        ):
            raise Refused(f"an OmegaConf {holder.kind} in it holds something else")
        return self.settle(content, depth)

    def _other(self, value: Any) -> Any:
        """A scalar of numpy, or a tensor that nobody looks at."""
        if isinstance(value, np.generic) or (
            isinstance(value, Unread) and not value.what.startswith("OmegaConf")
        ):
            return value
        if isinstance(value, Unread):
            raise Refused(f"it holds {value.what} in the place of a value")
        raise Refused("it holds a name or type in the place of a value")
