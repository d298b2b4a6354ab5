"""An array in numpy's .npy format, read without evaluating its header or believing what that says about memory."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from calvin.pickle_values import Refused, plain_array, plain_dtype
from errors import DatasetError

MAGIC = b"\x93NUMPY"
LONGEST_HEADER_BYTES = 10_000

_HEADER = re.compile(
    rb"\{'descr': '([<>|=][A-Za-z][0-9]{0,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}L?, ?){0,31}(?:[0-9]{1,18}L?)?)\),? ?\}[ \n]*"
)


@dataclass(frozen=True)
class NpyHeader:
    """data_begin: in bytes from the start of the content."""

    data_begin: int
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype


def npy_header(content: bytes, place: object) -> NpyHeader:
    """What the content of an .npy file says of its array. Raises DatasetError, which begins with `place`.

    numpy's own reader evaluates the header as Python. This one knows the header that numpy writes for a plain array.
    """
    width = 2 if content[6:7] == b"\x01" else 4
    begin = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    found = _HEADER.fullmatch(content, 8 + width, min(begin, 8 + width + LONGEST_HEADER_BYTES))
    is_known = content.startswith(MAGIC) and content[6:7] in (b"\x01", b"\x02", b"\x03")
    if found is None or not is_known or begin > len(content):
        raise DatasetError(
            f"{place} has a damaged .npy header, or is not an array of numbers, texts or objects."
        )
    code, is_fortran, shape = (part.decode("ascii") for part in found.groups())
    lengths = tuple(int(length.strip().rstrip("L")) for length in shape.split(",") if length.strip())
    try:
        dtype = plain_dtype(code[1:]).newbyteorder(">" if code[0] == ">" else "=")
    except Refused as refused:
        raise DatasetError(f"{place} is not an array of numbers, texts or objects: {refused}.") from None
    return NpyHeader(begin, lengths, is_fortran == "True", dtype)


def npy_array(content: bytes, header: NpyHeader, place: object) -> np.ndarray:
    """The array whose data follow the header, not to be written to; what follows them is not looked at.

    Raises DatasetError, which begins with `place`, where there are less of them than the header says.
    """
    size_bytes = math.prod(header.shape) * header.dtype.itemsize
    try:
        data = content[header.data_begin : header.data_begin + size_bytes]
        return plain_array(data, header.dtype, header.shape, "F" if header.is_fortran else "C", len(content))
    except Refused as refused:
        raise DatasetError(f"{place} is damaged: {refused}.") from None
