"""What a small file could ask for without end is refused: above a limit, or because of what it is."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.pickle_machine import Limits
from calvin.pickles import load_npy_pickle
from errors import DatasetError, UnsafePickle

Write = Callable[[bytes], Path]
PROTOCOL = b"\x80\x03"
FROMBUFFER = b"cnumpy._core.numeric\n_frombuffer\n"
SCALAR = b"cnumpy._core.multiarray\nscalar\n"
F8 = b"cnumpy\ndtype\nU\x02f8\x85R"
U1 = b"cnumpy\ndtype\nU\x02U1\x85R"
OBJECTS = b"cnumpy\ndtype\nU\x01O\x85R"
BEGUN = b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


def part(value: Any) -> bytes:
    """The instructions that make `value`."""
    return pickle.dumps(value, 3)[2:-1]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes) -> Path:
        path = tmp_path / "a"
        path.write_bytes(content)
        return path

    return write_file


def state(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    return b"(K\x01" + shape + dtype + b"\x89" + data + b"t"


NUMBERS = state(b"K\x01\x85", F8, b"C\x08" + bytes(8))

REFUSED = {
    "buffer of objects": (FROMBUFFER + b"(" + part(np.array([None], object)) + F8 + b"K\x01\x85U\x01CtR", "bytes"),
    "buffer of an array": (FROMBUFFER + b"(" + part(np.zeros(1)) + F8 + b"K\x01\x85U\x01CtR", "other than bytes"),
    "buffer of a list": (FROMBUFFER + b"(]" + F8 + b"K\x00\x85U\x01CtR", "other than bytes"),
    "buffer read as objects": (FROMBUFFER + b"(C\x00" + OBJECTS + b"K\x00\x85U\x01CtR", "made from bytes"),
    "scalar of objects": (SCALAR + F8 + part(np.array([None], object)) + b"\x86R", "a dtype and bytes"),
    "scalar read as an object": (SCALAR + OBJECTS + b"C\x08" + bytes(8) + b"\x86R", "made from bytes"),
    "scalar without data": (SCALAR + F8 + b"C\x00\x86R", "other data than 1 items"),
    "array of text's data": (BEGUN + state(b"K\x01\x85", F8, b"X\x08\x00\x00\x00aaaaaaaa") + b"b", "other than bytes"),
    "array set twice": (BEGUN + NUMBERS + b"b" + NUMBERS + b"b", "set a second time"),
    "dtype set twice": (F8 + b"(K\x03U\x01<tb(K\x03U\x01>tb", "set a second time"),
    "finished array is set": (FROMBUFFER + b"(C\x00" + F8 + b"K\x00\x85U\x01CtR" + NUMBERS + b"b", "has none"),
    "array never set": (b"]" + BEGUN + b"a", "begun and never set"),
    "array in itself": (BEGUN + b"q\x01" + state(b"K\x01\x85", OBJECTS, b"]h\x01a") + b"b", "holds itself"),
    "list in itself": (b"]q\x00h\x00a", "holds itself"),
    "tuple in itself": (b"]q\x00h\x00\x85q\x01a", "holds itself"),
    "dict in itself": (b"}q\x00U\x01ah\x00s", "holds itself"),
    "no text": (FROMBUFFER + b"(C\x04\xff\xff\xff\xff" + U1 + b"K\x01\x85U\x01CtR", "no text"),
    "rows without data": (BEGUN + state(b"J\x00\x00\x00\x40K\x00\x86", F8, b"C\x00") + b"b", "rows without data"),
    "object rows without data": (BEGUN + state(b"J\x00\x00\x00\x40K\x00\x86", OBJECTS, b"]") + b"b", "without data"),
    "many dimensions": (BEGUN + state(b"(" + b"K\x01" * 40 + b"t", F8, b"C\x08" + bytes(8)) + b"b", "32 dimensions"),
    "negative length": (BEGUN + state(b"J\xff\xff\xff\xff\x85", F8, b"C\x00") + b"b", "not made of lengths"),
    "shape of texts": (BEGUN + state(b"U\x011\x85", F8, b"C\x00") + b"b", "not made of lengths"),
    "shape that is an array": (BEGUN + state(part(np.zeros(3)), F8, b"C\x00") + b"b", "none that are lengths"),
    "order that is an array": (
        FROMBUFFER + b"(C\x08" + bytes(8) + F8 + b"K\x02\x85" + part(np.zeros(3)) + b"tR", "other data than 2 items"
    ),
    "byte order that is an array": (F8 + b"(K\x03" + part(np.zeros(3)) + b"tbK\x01\x86", "name or type"),
    "encoding that is an array": (b"c_codecs\nencode\nU\x01a" + part(np.zeros(3)) + b"\x86R", "another way"),
    "empty array of an array": (
        b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + part(np.zeros(3)) + b"C\x01b\x87R", "empty array"
    ),
    "class of an array": (b"comegaconf.nodes\nAnyNode\n" + part(np.zeros(3)) + b"\x81", "no place in such a file"),
    "dict of pairs": (b"ccollections\nOrderedDict\n]\x85R", "a dict is made from something else"),
    "list made by name": (b"cbuiltins\nlist\n](K\x01e\x85R", "not there to be called"),
    "dict made by name": (b"cbuiltins\ndict\n]\x85R", "not there to be called"),
    "tuple made by name": (b"cbuiltins\ntuple\n]\x85R", "not there to be called"),
    "bytes of a length": (b"cbuiltins\nbytes\nK\x01\x85R", "bytes are made from something else"),
    "set": (b"\x8f", "instruction EMPTY_SET"),
    "copy of the top": (b"K\x012\x86", "instruction DUP"),
    "unknown instruction": (b"\xff", "instruction 0xff"),
    "key of a tuple": (b"}K\x01\x85K\x01s", "neither a short text nor a number"),
    "key of an array": (b"}" + part(np.zeros(1)) + b"K\x01s", "neither a short text nor a number"),
    "key of a list": (b"}]K\x01s", "neither a short text nor a number"),
    "key of bytes": (b"}C\x01aK\x01s", "neither a short text nor a number"),
    "key without value": (b"}(K\x01u", "a key without a value"),
    "long number": (b"\x8a\x20" + bytes(32), "a number in it has 32 bytes"),
    "items for a tuple": (b")(K\x01e", "what is no list"),
    "name as a value": (b"cnumpy\nndarray\n", "a name or type in the place of a value"),
    "dtype as a value": (b"]" + F8 + b"a", "a name or type in the place of a value"),
    "object of a class": (b"cbuiltins\ndict\n)\x81", "no place in such a file"),
    "bytes that are not there": (b"\x8e" + (2**40).to_bytes(8, "little") + b"a", "ends in the middle"),
    "text that is not there": (b"X\xff\xff\xff\x7fa", "ends in the middle"),
    "frame that is not there": (b"\x95" + (2**40).to_bytes(8, "little"), "ends in the middle"),
    "not UTF-8": (b"U\x01\xe9", "not what its bytes say"),
    "later protocol": (b"\x80\x09N", "protocol 9"),
    "line without end": (b"c" + b"x" * 1200, "too long"),
    "end without a beginning": (b"t", "never begun"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_for_what_it_is(write: Write, case: str) -> None:
    content, why = REFUSED[case]
    with pytest.raises(DatasetError, match=rf"a is not a readable pickle: [^.\n]*{why}[^\n]*\.$"):
        load_npy_pickle(write(PROTOCOL + content + b"."))


@pytest.mark.parametrize("name", ["set", "frozenset", "bytearray", "complex", "type", "object", "memoryview"])
def test_no_other_builtin_is_known(write: Write, name: str) -> None:
    with pytest.raises(UnsafePickle, match=rf"asks for builtins\.{name}; "):
        load_npy_pickle(write(PROTOCOL + f"cbuiltins\n{name}\n)R.".encode()))


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def doubled(levels: int) -> list[Any]:
    """2**levels lists for whoever goes through it, in a file of a few bytes a level."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


SHARED = np.zeros(100)
SMALL = Limits(
    bytes=10_000, instructions=2_000, objects=300, memo_reads=100, nesting=8, key_length=20, number_bytes=4
)
ABOVE = {
    "size": (bytes(20_000), "has 20[0-9]{3} bytes, and at most 10000 are read"),
    "objects": ([f"{number}" for number in range(400)], "more than 300 objects"),
    "arrays": ([np.zeros(1) for _ in range(60)], "more than 300 objects"),
    "instructions": ([None] * 2_100, "more than 2000 instructions"),
    "memo reads": ([SHARED] * 200, "looks back more than 100 times"),
    "lists in lists": (nested(9), "nested deeper than 8"),
    "arrays held many times": ([SHARED] * 40, "more than 10000 bytes"),
    "texts held many times": (["x" * 300] * 40, "more than 10000 bytes"),
    "long key": ({"k" * 21: 1}, "neither a short text nor a number"),
    "long number": (2**33, "a number in it has 5 bytes"),
}


@pytest.mark.parametrize("case", ABOVE)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_above_a_limit(write: Write, case: str, protocol: int) -> None:
    value, why = ABOVE[case]
    with pytest.raises(DatasetError, match=why):
        load_npy_pickle(write(pickle.dumps(value, protocol)), SMALL)


def test_nesting_that_no_stack_shows(write: Write) -> None:
    with pytest.raises(DatasetError, match="nested deeper than 8"):
        load_npy_pickle(write(PROTOCOL + b"N" + b"\x85" * 10 + b"."), SMALL)


def test_lists_that_hold_one_list_again_and_again(write: Write) -> None:
    wide = Limits(instructions=150, nesting=50)
    with pytest.raises(DatasetError, match="more than 150 items"):
        load_npy_pickle(write(pickle.dumps(doubled(10), 4)), wide)
    assert load_npy_pickle(write(pickle.dumps(doubled(3), 4)), wide) == doubled(3)


def test_one_text_is_not_made_into_many_bytes(write: Write) -> None:
    encode = b"c_codecs\nencode\nh\x00U\x06latin1\x86R"
    text = b"](X\x64\x00\x00\x00" + b"a" * 100 + b"q\x00"
    assert load_npy_pickle(write(PROTOCOL + text + encode + b"e."))[1] == b"a" * 100
    with pytest.raises(DatasetError, match=r"makes more of its content than the \d+ bytes that it has"):
        load_npy_pickle(write(PROTOCOL + text + encode * 4 + b"e."))


def test_one_list_is_not_made_into_many_arrays(write: Write) -> None:
    array = BEGUN + state(b"K\x78\x85", OBJECTS, b"h\x00") + b"b"
    items = b"](](" + b"N" * 0x78 + b"eq\x00"
    assert len(load_npy_pickle(write(PROTOCOL + items + array + b"e."))) == 2
    with pytest.raises(DatasetError, match="makes more of its content"):
        load_npy_pickle(write(PROTOCOL + items + (array + b"q\x01") * 12 + b"e."), Limits(bytes=10**6))


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}"


@pytest.mark.parametrize(
    ("descr", "shape", "why"),
    [
        ("'<f8'", "(1073741824,)", "other data than 1073741824 items"),
        ("'<f8'", "(10000000000000, 100)", "other data than"),
        ("'<f8'", "(1099511627776, 0)", "rows without data"),
        ("'<f8'", "(" + "1, " * 40 + ")", "damaged .npy header"),
        ("'<f8'", "(" * 500, "damaged .npy header"),
        ("'<f8'", "(" + "9" * 5000 + ",)", "damaged .npy header"),
        ("'<M8'", "(1,)", "is not a plain one"),
        ("[('a', '<f8')]", "(1,)", "damaged .npy header, or is not an array of"),
        ("'|V8'", "(1,)", "is not a plain one"),
        ("'<U536870912'", "(1,)", "is not a plain one"),
        ("'<U999999999'", "(0,)", "is not a plain one"),
    ],
)
def test_headers_that_ask_for_more_than_the_file_has(write: Write, descr: str, shape: str, why: str) -> None:
    header = HEADER.format(descr, shape).encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)
    with pytest.raises(DatasetError, match=rf"a is [^\n]*{why}|a has a [^\n]*{why}"):
        load_npy_pickle(write(content))


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with pytest.raises(
            DatasetError, match=rf"{name} cannot be read: it is a .*, and only regular files are read"
        ):
            load_npy_pickle(tmp_path / name)
    with pytest.raises(DatasetError, match="cannot be read: Is a directory"):
        load_npy_pickle(tmp_path)
