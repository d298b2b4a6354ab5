"""What a name in a pickle of CALVIN stands for: numpy's arrays, dtypes and scalars, and containers of OmegaConf.

Nothing is imported and nothing is called but what is written here. A name is answered with a `Name`; what one makes is
a holder, which may be set once (a pickle's BUILD) and becomes a plain value in `calvin.pickle_tree`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np


class Refused(ValueError):
    """The end of a sentence that says what was met where only arrays and plain values are read."""


class Ledger:
    """Bytes of the file that were copied or looked through again: all of them together are at most the file's."""

    def __init__(self, bytes_left: int) -> None:
        self.size = self._left = bytes_left

    def charge(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Refused(f"it makes more of its content than the {self.size} bytes that it has")


class Name:
    """A name in a pickle. `call` gets what a REDUCE hands over, `new` makes what a NEWOBJ does.

    Without either it stands for a type, and only that.
    """

    __slots__ = ("call", "new", "text")

    def __init__(
        self,
        text: str,
        call: Callable[[Ledger, tuple[Any, ...]], Any] | None = None,
        new: Callable[[str], Holder] | None = None,
    ) -> None:
        self.text = text
        self.call = call
        self.new = new


class _Settable:
    """Something being unpickled, to be set once (`set_once`) by its `take`."""

    __slots__ = ("is_set",)

    def __init__(self) -> None:
        self.is_set = False


class Unread(_Settable):
    """Something that is known to be harmless and is not looked at: a tensor, or what OmegaConf notes beside values."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def take(self, state: Any, ledger: Ledger) -> None:
        """Nothing of it is kept."""


class OmegaConfValue(_Settable):
    """A ListConfig, a DictConfig or a node of OmegaConf: `content` holds its list, dict or plain value."""

    __slots__ = ("content", "kind")

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.content: Any = None

    def take(self, state: Any, ledger: Ledger) -> None:
        field = "_content" if self.kind.endswith("Config") else "_val"
        if type(state) is not dict or field not in state:
            raise Refused(f"an OmegaConf {self.kind} has no {field}")
        self.content = state[field]


class DtypeHolder(_Settable):
    """A dtype. Of the state that follows its code only the byte order is taken.

    numpy's own `dtype.__setstate__` believes what it is told, and a false "holds objects" makes it follow
    whatever the data say is a pointer.
    """

    __slots__ = ("dtype",)

    def __init__(self, code: Any) -> None:
        super().__init__()
        self.dtype = plain_dtype(code)

    def take(self, state: Any, ledger: Ledger) -> None:
        if type(state) is not tuple or len(state) < 2:
            raise Refused("a numpy type in it has no byte order")
        if type(state[1]) is str and state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder("<" if state[1] == "<" else ">")


_NUMBERS = frozenset("biufc")
_PLAIN = re.compile(r"b1|[iu][1248]|f(2|4|8|16)|c(8|16)|[SU][1-9][0-9]{0,8}|O[48]?")


def plain_dtype(code: Any) -> np.dtype:
    """The dtype of "f4", "U12", "O" and the like. Raises Refused for dates, structures and all else."""
    if not isinstance(code, str) or not _PLAIN.fullmatch(code):
        raise Refused("a numpy type in it is not a plain one")
    try:
        return np.dtype(code[0] if code[0] == "O" else code)
    except (TypeError, ValueError):  # texts of more characters than numpy has bytes for
        raise Refused("a numpy type in it is not a plain one") from None


class ArrayHolder(_Settable):
    """An array that is empty until its state is known, which must fit its data."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        super().__init__()
        self.array: np.ndarray | None = None

    def take(self, state: Any, ledger: Ledger) -> None:
        if type(state) is not tuple or len(state) != 5:
            raise Refused("an array in it has no state of five parts")
        _, shape, kind, is_fortran, data = state
        self.array = _array(data, kind, shape, "F" if is_fortran is True else "C", ledger)


Holder = Unread | OmegaConfValue | DtypeHolder | ArrayHolder


def set_once(holder: Holder, state: Any, ledger: Ledger) -> None:
    """A pickle's BUILD: what has been set may have been looked at. Raises Refused."""
    if holder.is_set:
        raise Refused("something in it is set a second time")
    holder.is_set = True
    holder.take(state, ledger)


def plain_array(
    data: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Any, most_rows: int
) -> np.ndarray:
    """The array that `data` are, not copied and not to be written. Raises Refused unless they fit exactly."""
    if dtype.hasobject or dtype.itemsize == 0:
        raise Refused("an array of something other than numbers or texts is made from bytes")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise Refused(f"an array of shape {shape} has other data than {math.prod(shape)} items")
    if not data and not _is_small(shape, dtype.itemsize, most_rows):
        raise Refused(f"an array of shape {shape} has rows without data")
    if dtype.kind == "U" and data and int(np.frombuffer(data, _codes(dtype)).max()) > _LAST_CHARACTER:
        raise Refused("an array of texts holds what is no text")
    return np.ndarray(shape, dtype, buffer=data, order=order) if data else np.empty(shape, dtype)


def _is_small(shape: tuple[int, ...], item_bytes: int, most: int) -> bool:
    """False for (2**40, 0): whoever goes through its rows never ends, and numpy asks for the memory of one column."""
    return math.prod(max(length, 1) for length in shape) * item_bytes <= most


_MOST_DIMENSIONS = 32
_LAST_CHARACTER = 0x10FFFF


def _codes(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.uint32).newbyteorder(dtype.byteorder)


def _array(data: Any, kind: Any, shape: Any, order: str, ledger: Ledger) -> np.ndarray:
    if type(kind) is not DtypeHolder:
        raise Refused("an array in it has no dtype")
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
        raise Refused(f"an array in it has more than {_MOST_DIMENSIONS} dimensions, or none that are lengths")
    if set(map(type, shape)) - {int} or min(shape, default=0) < 0:
        raise Refused("an array in it has a shape that is not made of lengths")
    if kind.dtype.hasobject:
        return _object_array(data, shape, ledger)
    if type(data) is not bytes:
        raise Refused("an array is made from something other than bytes")
    if kind.dtype.kind == "U":
        ledger.charge(len(data))
    return plain_array(data, kind.dtype, shape, order, ledger.size)


def _object_array(data: Any, shape: tuple[int, ...], ledger: Ledger) -> np.ndarray:
    # numpy's own `ndarray.__setstate__` reads past the end of the list if the shape says so.
    if type(data) is not list or len(data) != math.prod(shape):
        raise Refused(f"an array of shape {shape} has other data than {math.prod(shape)} items")
    if not _is_small(shape, 1, ledger.size):
        raise Refused(f"an array of shape {shape} has rows without data")
    ledger.charge(len(data))
    items = np.empty(len(data), dtype=object)
    for number, item in enumerate(data):
        items[number] = item
    return items.reshape(shape)  # numpy writes the list in this order whatever the array's


def _reconstruct(ledger: Ledger, args: tuple[Any, ...]) -> ArrayHolder:
    if len(args) != 3 or args[0] is not _NDARRAY or type(args[1]) is not tuple or args[1] != (0,):
        raise Refused("an array is reconstructed from something that is not an empty array")
    return ArrayHolder()


def _frombuffer(ledger: Ledger, args: tuple[Any, ...]) -> np.ndarray:
    if len(args) != 4 or (type(args[1]) is DtypeHolder and args[1].dtype.hasobject):
        raise Refused("an array of something other than numbers or texts is made from bytes")
    buffer, kind, shape, order = args
    return _array(buffer, kind, shape, "F" if type(order) is str and order == "F" else "C", ledger)


def _scalar(ledger: Ledger, args: tuple[Any, ...]) -> Any:
    if len(args) != 2 or type(args[0]) is not DtypeHolder or type(args[1]) is not bytes:
        raise Refused("a number of numpy is made from something other than a dtype and bytes")
    kind, data = args[0].dtype, args[1]
    ledger.charge(len(data))
    if kind.kind in _NUMBERS and len(data) == kind.itemsize:  # there may be hundreds of thousands
        return np.frombuffer(data, kind)[0]
    return plain_array(data, kind, (1,), "C", ledger.size)[0]


def _dtype(ledger: Ledger, args: tuple[Any, ...]) -> DtypeHolder:
    return DtypeHolder(args[0] if args else None)


def _latin1(ledger: Ledger, args: tuple[Any, ...]) -> bytes:
    """How protocol 2 writes bytes."""
    if len(args) != 2 or set(map(type, args)) != {str} or args[1] != "latin1":
        raise Refused("a text is encoded in another way than bytes are")
    ledger.charge(len(args[0]))
    return args[0].encode("latin1")


def _no_bytes(ledger: Ledger, args: tuple[Any, ...]) -> bytes:
    if args:
        raise Refused("bytes are made from something else")
    return b""


def _empty_dict(ledger: Ledger, args: tuple[Any, ...]) -> dict[Any, Any]:
    """What is in it follows; a defaultdict names what it makes of missing keys."""
    if any(type(arg) is not Name for arg in args):
        raise Refused("a dict is made from something else")
    return {}


def _tensor(ledger: Ledger, args: tuple[Any, ...]) -> Unread:
    return Unread("a tensor of PyTorch")


_NDARRAY = Name("numpy.ndarray")
_OMEGACONF = ("base", "nodes", "listconfig", "dictconfig")
_LONGEST_NAME = 200
_NOTES = ("Metadata", "ContainerMetadata")
_ADMITTED: dict[tuple[str, str], Name] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Name("numpy.dtype", _dtype),
    ("_codecs", "encode"): Name("_codecs.encode", _latin1),
    ("collections", "defaultdict"): Name("collections.defaultdict", _empty_dict),
    ("collections", "OrderedDict"): Name("collections.OrderedDict", _empty_dict),
    ("torch._utils", "_rebuild_tensor_v2"): Name("torch._utils._rebuild_tensor_v2", _tensor),
    ("torch.storage", "_load_from_bytes"): Name("torch.storage._load_from_bytes", _tensor),
    **{("typing", name): Name(f"typing.{name}") for name in ("Any", "Dict", "List")},
}
for _builtins in ("builtins", "__builtin__"):  # Python 3 and the protocols of Python 2
    _ADMITTED[_builtins, "bytes"] = Name("bytes", _no_bytes)
    for _name in ("dict", "list", "tuple", "str", "int", "long", "float", "bool", "unicode"):
        _ADMITTED[_builtins, _name] = Name(_name)
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = Name("_reconstruct", _reconstruct)
    _ADMITTED[f"{_core}.multiarray", "scalar"] = Name("scalar", _scalar)
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = Name("_frombuffer", _frombuffer)


def named(module: str, name: str) -> Name | None:
    """What `module.name` stands for; None where it has no place in a file of CALVIN."""
    if len(module) + len(name) > _LONGEST_NAME:
        return None
    package, _, part = module.partition(".")
    if package == "omegaconf" and part in _OMEGACONF and name.isidentifier():
        return Name(name, new=_omegaconf)
    return _ADMITTED.get((module, name))


def new(name: Name, args: Any) -> Holder:
    """What a pickle makes of a class without calling it (NEWOBJ): only OmegaConf's are made so."""
    if type(args) is not tuple or args or name.new is None:
        raise Refused("it makes an object of a class that has no place in such a file")
    return name.new(name.text)


def _omegaconf(kind: str) -> Holder:
    return Unread(f"OmegaConf's {kind}") if kind in _NOTES else OmegaConfValue(kind)
