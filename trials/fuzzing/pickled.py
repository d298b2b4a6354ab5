"""Mutated pickles: instructions are lost, doubled, moved, or have other arguments."""

from __future__ import annotations

import io
import pickle
import pickletools
import random
from pathlib import Path
from typing import Any

import numpy as np

from trials.fuzzing.mutations import changed_bytes


def instructions(data: bytes) -> list[bytes]:
    """The parts of a pickle, one an instruction."""
    starts = [position for _, _, position in pickletools.genops(data)]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def changed_pickle(draw: random.Random, data: bytes) -> bytes:
    parts = instructions(data)
    for _ in range(draw.randint(1, 4)):
        at, other, how = draw.randrange(len(parts)), draw.randrange(len(parts)), draw.randrange(6)
        if how == 0:
            del parts[at]
        elif how == 1:
            parts.insert(at, parts[other])
        elif how == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif how == 3:
            parts[at] = changed_bytes(draw, parts[at])
        elif how == 4:
            parts[at] = bytes([draw.choice(_CODES)]) + parts[at][1:]
        else:
            parts.insert(at, draw.choice(_WHOLE))
        if not parts:
            break
    return b"".join(parts)


_CODES = tuple(ord(opcode.code) for opcode in pickletools.opcodes)
#: Instructions without an argument, and some with one.
_WHOLE = (
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes if opcode.arg is None),
    b"K\x00", b"J\xff\xff\xff\x7f", b"h\x00", b"q\x00", b"U\x03abc", b"I01\n", b"\x95" + b"\xff" * 8,
)  # fmt: skip


def sound_pickles() -> list[bytes]:
    """What CALVIN's files hold, in each protocol that is read."""
    info = {"indx": [(0, 9), (10, 19)], "episodes": []}
    words = {"ann": ["open the drawer", "turn on the led"], "task": ["open_drawer", "turn_on_led"]}
    annotations = {"language": words | {"emb": np.zeros((2, 1, 4))}, "info": info}
    embeddings = {"open_drawer": {"emb": np.zeros((1, 1, 4), np.float32), "ann": ["open the drawer"]}}
    others: list[Any] = [
        np.array(["a", "b"], dtype=object),
        {"x": np.float64(1.5)},
        np.arange(4).reshape(2, 2),
    ]
    values = (annotations, embeddings, *others)
    return [pickle.dumps(value, protocol) for value in values for protocol in (2, 3, 4, 5)]


def as_npy(data: bytes) -> bytes:
    """A pickle inside the .npy file that `np.save` makes of a dict."""
    stream = io.BytesIO()
    np.save(stream, np.array(None, dtype=object), allow_pickle=True)
    return stream.getvalue()[:128] + data


class Pickles:
    name = "pickles"
    readers = ("calvin/pickle_*.py", "calvin/pickles.py", "calvin/annotations.py")

    def __init__(self, folder: Path) -> None:
        self._file = folder / "auto_lang_ann.npy"
        self._sound = sound_pickles()

    def meet(self, draw: random.Random) -> None:
        from calvin.annotations import read_annotations, read_embeddings
        from calvin.pickles import load_npy_pickle

        data = changed_pickle(draw, draw.choice(self._sound))
        self._file.write_bytes(as_npy(data) if draw.random() < 0.7 else data)
        draw.choice((load_npy_pickle, read_annotations, read_embeddings))(self._file)
