"""Reads the pickles in a CALVIN folder without running what is in them.

`auto_lang_ann.npy` and `embeddings.npy` are pickled dicts of strings, numbers and numpy arrays inside an .npy
file. An ordinary unpickler would import and call whatever such a file names. This one knows the few names
that numpy writes for an array, gives its own functions for them, and imports nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib import format as npy

from errors import DatasetError, UnsafePickle
from settings.faults import need_fact


def load_npy_pickle(path: Path) -> Any:
    """The object in `path`: an .npy file (pickled or plain) or a bare pickle.

    A pickled array without dimensions, as `np.save` makes of a dict, is returned as the object it holds.
    Builtin scalars and containers, numpy arrays, dtypes and scalars may occur in it. Raises UnsafePickle,
    naming the file and what it asked for, on anything else, and DatasetError when the file is missing or
    damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    stream = io.BytesIO(content)
    if content.startswith(npy.MAGIC_PREFIX) and not _holds_objects(stream, path):
        return _plain_array(content, path)
    value = _unpickle(stream, path)
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value


def _holds_objects(stream: io.BytesIO, path: Path) -> bool:
    """Read the .npy header from `stream`, leaving it at the data; true if these are a pickle."""
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        return bool(read_header(stream)[2].hasobject)
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path} has a damaged .npy header: {error}.") from None


def _plain_array(content: bytes, path: Path) -> np.ndarray:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        need_fact(error)
        raise DatasetError(f"{path} is damaged: {error}.") from None


def _unpickle(stream: io.BytesIO, path: Path) -> Any:
    try:
        _check_memo(stream)
        return _NumpyUnpickler(stream, path).load()
    except UnsafePickle:
        raise
    except Exception as error:  # a damaged pickle may raise anything, says pickle.UnpicklingError
        raise DatasetError(f"{path} is not a readable pickle: {type(error).__name__}: {error}.") from None


def _check_memo(stream: io.BytesIO) -> None:
    """Refuse a memo index beyond the file's size: the unpickler would make a table that long. Seeks back."""
    start, size_bytes = stream.tell(), stream.getbuffer().nbytes
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > size_bytes:
            raise pickle.UnpicklingError(f"memo index {argument} in a file of {size_bytes} bytes")
    stream.seek(start)


class _NumpyUnpickler(pickle.Unpickler):
    """Resolves the names in `_ADMITTED` only, each to a function of this module."""

    def __init__(self, stream: io.BytesIO, path: Path) -> None:
        super().__init__(stream)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise UnsafePickle(
                f"{self._path} asks for {module}.{name}; only numpy arrays and builtin containers are read, "
                "and nothing in the file was run."
            )
        return _ADMITTED[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise UnsafePickle(f"{self._path} asks for the external object {pid!r}; nothing in the file was run.")


class _NdarrayName:
    """Stands for the class numpy.ndarray, which a pickled array names and never calls itself."""

    __slots__ = ()


_NDARRAY = _NdarrayName()
_DTYPE_KINDS = "biufcSUO"


class _Dtype:
    """A dtype being unpickled. Of the state that follows its code only the byte order is taken.

    numpy's own `dtype.__setstate__` believes what it is told, and a false "holds objects" makes it follow
    whatever the data say is a pointer.
    """

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(code) if isinstance(code, str) else np.dtype("V")
        if self.dtype.kind not in _DTYPE_KINDS or self.dtype.itemsize == 0:
            raise pickle.UnpicklingError(f"the numpy type {code!r} is not a plain one")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array being unpickled: numpy's own, once its state is known to be consistent.

    numpy's `ndarray.__setstate__` reads past the end of an object array's list if the shape says so.
    """

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, data = state
        if not all(isinstance(length, int) and length >= 0 for length in shape):
            raise pickle.UnpicklingError(f"an array has the shape {shape!r}")
        items = math.prod(shape)
        expected, item_length = (list, 1) if kind.dtype.hasobject else (bytes, kind.dtype.itemsize)
        if type(data) is not expected or len(data) != items * item_length:
            raise pickle.UnpicklingError(f"an array of shape {shape!r} has other data than {items} items")
        super().__setstate__((1, tuple(shape), kind.dtype, bool(is_fortran), data))  # type: ignore[arg-type]
        _check_text(self)


def _reconstruct(kind: object, shape: tuple[int, ...], typecode: bytes) -> np.ndarray:
    if kind is not _NDARRAY or shape != (0,):
        raise pickle.UnpicklingError("an array is reconstructed from something that is not an empty array")
    return np.empty((0,), dtype=np.int8).view(_Array)


def _frombuffer(buffer: bytes, kind: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    array = np.frombuffer(buffer, dtype=kind.dtype).reshape(shape, order="F" if order == "F" else "C")
    _check_text(array)
    return array


def _scalar(kind: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype=kind.dtype, count=1)[0]


def _check_text(array: np.ndarray) -> None:
    """Raise where the data of a text array are no text, which numpy finds out only on use."""
    if array.dtype.kind == "U":
        array.tolist()


def _sealed(function: Callable[..., Any]) -> Any:
    """An object that calls `function` but has no attribute that a pickle could set."""
    return type(function.__name__, (), {"__slots__": (), "__call__": staticmethod(function)})()


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _sealed(_Dtype),
    **{("builtins", kind.__name__): kind for kind in (set, frozenset, list, dict, tuple)},
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _sealed(_reconstruct)
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _sealed(_scalar)
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _sealed(_frombuffer)
