"""Reads the .npy files of a CALVIN folder, also those that are pickles, without running what is in them.

`auto_lang_ann.npy` and `embeddings.npy` are pickled dicts of texts, numbers and numpy arrays inside an .npy file. An
ordinary unpickler would import and call whatever such a file names, and believes what it says about memory.
"""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np

from calvin.pickle_machine import Asked, Limits
from calvin.pickle_reader import run
from calvin.pickle_values import Refused, plain_array, plain_dtype
from errors import DatasetError, UnsafePickle
from settings.faults import need_fact

_LIMITS = Limits()
_MAGIC = b"\x93NUMPY"


def load_npy_pickle(path: Path, limits: Limits = _LIMITS) -> Any:
    """The object in `path`: an .npy file (pickled or plain) or a bare pickle of protocol 2 to 5.

    A pickled array without dimensions, as `np.save` makes of a dict, is returned as the object it holds. Builtin
    scalars, texts, bytes, lists, tuples and dicts, numpy arrays and scalars may occur in it; containers of OmegaConf
    become lists and dicts, and a tensor of PyTorch something that is neither. Arrays are not to be written to. Raises
    UnsafePickle, naming the file and what it asked for, on any other name, and DatasetError when the file is missing,
    damaged, or more than `limits`.
    """
    content = _content(path, limits)
    try:
        if not content.startswith(_MAGIC):
            value = run(content, 0, limits)
        else:
            start, shape, is_fortran, dtype = _header(content, path)
            if not dtype.hasobject:
                return _plain(content, start, shape, is_fortran, dtype, path)
            value = run(content, start, limits)
    except Asked as asked:
        raise UnsafePickle(
            f"{path} asks for {asked}; only numpy arrays and builtin containers are read, "
            "and nothing in the file was run."
        ) from None
    except Refused as refused:
        raise DatasetError(f"{path} is not a readable pickle: {refused}.") from None
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value


def _content(path: Path, limits: Limits) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise DatasetError(f"{path} is no regular file.")
        if found.st_size > limits.bytes:
            raise DatasetError(f"{path} has {found.st_size} bytes; {limits.bytes} are read at most.")
        return path.read_bytes()
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None


def _header(content: bytes, path: Path) -> tuple[int, tuple[int, ...], bool, np.dtype]:
    """Where the data of an .npy file begin, their shape, whether columns come first, and their dtype.

    numpy's own reader evaluates the header as Python. This one knows the header that numpy writes for a plain array.
    """
    width = 2 if content[6:7] == b"\x01" else 4
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    found = _HEADER.fullmatch(content, 8 + width, min(start, 8 + width + _LONGEST_HEADER))
    if found is None or content[6:7] not in (b"\x01", b"\x02", b"\x03") or start > len(content):
        raise DatasetError(
            f"{path} has a damaged .npy header, or is not an array of numbers, texts or objects."
        )
    code, is_fortran, shape = (part.decode("ascii") for part in found.groups())
    lengths = tuple(int(length.strip().rstrip("L")) for length in shape.split(",") if length.strip())
    try:
        return (
            start,
            lengths,
            is_fortran == "True",
            plain_dtype(code[1:]).newbyteorder(">" if code[0] == ">" else "="),
        )
    except Refused as refused:
        raise DatasetError(f"{path} is not an array of numbers, texts or objects: {refused}.") from None


_LONGEST_HEADER = 10_000
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][A-Za-z][0-9]{0,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}L?, ?){0,31}(?:[0-9]{1,18}L?)?)\),? ?\}[ \n]*"
)


def _plain(
    content: bytes, start: int, shape: tuple[int, ...], is_fortran: bool, dtype: np.dtype, path: Path
) -> np.ndarray:
    """The array whose data are at `start` of `content`; what follows them is not looked at."""
    size_bytes = math.prod(shape) * dtype.itemsize
    try:
        data = content[start : start + size_bytes]
        return plain_array(data, dtype, shape, "F" if is_fortran else "C", len(content))
    except Refused as refused:
        raise DatasetError(f"{path} is damaged: {refused}.") from None
