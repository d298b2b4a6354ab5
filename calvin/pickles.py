"""Reads the .npy files of a CALVIN folder, also those that are pickles, without running what is in them.

`auto_lang_ann.npy` and `embeddings.npy` are pickled dicts of texts, numbers and numpy arrays inside an .npy file. An
ordinary unpickler would import and call whatever such a file names, and believes what it says about memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calvin.npy import MAGIC, npy_array, npy_header
from calvin.pickle_machine import Asked, Limits
from calvin.pickle_reader import run
from calvin.pickle_values import Refused
from errors import DatasetError, UnsafePickle
from settings.faults import need_fact
from settings.regular import read_bytes

_LIMITS = Limits()
#: For what says where episodes and scenes begin and end: a million of them.
SMALL = Limits(bytes=16 << 20)


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
        if not content.startswith(MAGIC):
            value = run(content, 0, limits)
        else:
            header = npy_header(content, path)
            if not header.dtype.hasobject:
                return npy_array(content, header, path)
            value = run(content, header.data_begin, limits)
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
        return read_bytes(path, limits.bytes)
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
