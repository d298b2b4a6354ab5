"""The unpickler reads what CALVIN's files hold and runs nothing of what a hostile one asks for."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.pickles import load_npy_pickle
from errors import DatasetError, UnsafePickle


def annotations() -> dict[str, Any]:
    return {
        "language": {
            "ann": ["a", "b"],
            "task": ["x", "y"],
            "emb": np.arange(6, dtype=np.float32).reshape(2, 1, 3),
        },
        "info": {"episodes": [], "indx": [(1, 2), (np.int64(3), np.int64(4))]},
        "flags": np.array([True, False]),
        "names": np.array(["ab", "c"]),
        "objects": np.array([None, "x", (1, 2)], dtype=object),
        "scalar": np.float64(0.5),
        "bytes": b"raw",
    }


def assert_annotations(value: Any) -> None:
    expected = annotations()
    assert value["language"]["ann"] == expected["language"]["ann"]
    np.testing.assert_array_equal(value["language"]["emb"], expected["language"]["emb"])
    assert value["language"]["emb"].dtype == np.float32
    assert [tuple(map(int, pair)) for pair in value["info"]["indx"]] == [(1, 2), (3, 4)]
    assert value["flags"].tolist() == [True, False]
    assert value["names"].tolist() == ["ab", "c"]
    assert value["objects"].tolist() == [None, "x", (1, 2)]
    assert value["scalar"] == 0.5
    assert value["bytes"] == b"raw"


def test_reads_npy_with_a_pickled_dict(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", annotations(), allow_pickle=True)
    assert_annotations(load_npy_pickle(tmp_path / "a.npy"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_bare_pickles(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(annotations(), protocol))
    assert_annotations(load_npy_pickle(tmp_path / "a"))


def test_reads_the_names_that_numpy_1_wrote(tmp_path: Path) -> None:
    content = pickle.dumps(annotations(), 3)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    new = old.replace(b"numpy.core.", b"numpy._core.")
    assert old != new
    for number, variant in enumerate((old, new)):
        (tmp_path / str(number)).write_bytes(variant)
        assert_annotations(load_npy_pickle(tmp_path / str(number)))


def test_reads_plain_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4).reshape(2, 2))
    assert load_npy_pickle(tmp_path / "a.npy").tolist() == [[0, 1], [2, 3]]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.npy cannot be read: No such file"):
        load_npy_pickle(tmp_path / "a.npy")


class Call:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def hostile_pickles(target: str) -> dict[str, bytes]:
    """Pickles that would create the file `target`, or get hold of what could, by name of the trick."""
    import os

    import numpy.ctypeslib

    command = f"(V: > {target}\ntR."
    corpus = {
        f"{name}, protocol {protocol}": pickle.dumps({"language": [call]}, protocol)
        for name, call in {
            "os.system": Call(os.system, f": > {target}"),
            "builtins.eval": Call(eval, f"open({target!r}, 'w')"),
            "builtins.exec": Call(exec, f"open({target!r}, 'w')"),
            "builtins.open": Call(open, target, "w"),
            "getattr chain": Call(getattr, Call(__import__, "os"), "system"),
            "numpy.load": Call(np.load, target),
            "numpy.save": Call(np.save, target, 1),
            "ndarray.tofile": Call(np.ndarray.tofile, np.zeros(2), target),
            "numpy.ctypeslib": Call(numpy.ctypeslib.load_library, "libc", "/"),
        }.items()
        for protocol in range(1, 6)
    }
    corpus |= {
        "numpy.f2py": _global("numpy.f2py", "compile") + b"(V\ntR.",
        "numpy.f2py.crackfortran": _global("numpy.f2py.crackfortran", "myeval") + b"(V1\ntR.",
        "numpy testing": _global("numpy.testing._private.utils", "runstring") + b"(V1\n}tR.",
        "numpy through an admitted module": _global("numpy", "memmap") + f"(V{target}\ntR.".encode(),
        "dotted name": b"\x80\x04\x8c\x05numpy\x94\x8c\x0endarray.tofile\x94\x93.",
        "dotted builtin": b"\x80\x04\x8c\x08builtins\x94\x8c\x0edict.__class__\x94\x93.",
        "GLOBAL and REDUCE": _global("posix", "system") + command.encode(),
        "EXT1": b"\x80\x02\x82\xf0.",
        "OBJ": b"(" + _global("posix", "system") + f"V: > {target}\no.".encode(),
        "NEWOBJ": b"\x80\x02" + _global("subprocess", "Popen") + f"V: > {target}\n\x85\x81.".encode("latin1"),
        "BUILD with __setstate__": b"\x80\x02" + _global("functools", "partial") + b")\x81}b.",
        "copyreg": _global("copyreg", "_reconstructor")
        + b"(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        "copyreg.__newobj__": _global("copyreg", "__newobj__") + b"(c__builtin__\nobject\ntR.",
        "python 2 builtin": _global("__builtin__", "eval") + b"(V1\ntR.",
        "PERSID": b"Pwhatever\n.",
        "BINPERSID": b"\x80\x02U\x08whateverQ.",
    }
    return corpus


def as_npy(content: bytes) -> bytes:
    """`content` in place of the pickled array of an .npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue() + content


def of_another_age(target: str) -> dict[str, tuple[bytes, str]]:
    """Pickles in forms that no file of CALVIN's has, by name of the trick, and what is said of them."""
    import os

    call = Call(os.system, f": > {target}")
    names = b"(U\x02bfU\x05rot13tR"  # `os` for who runs it
    encode = _global("_codecs", "encode")
    return {
        "protocol 0": (pickle.dumps({"language": [call]}, 0), "DICT"),
        "protocol 0, bare": (pickle.dumps(call, 0), "asks for posix.system"),
        "INST": (b"(]iposix\nsystem\n.", "INST"),
        "INST of an admitted name": (b"(U\x011inumpy\ndtype\n.", "INST"),
        "rot13": (encode + b"(U\x011U\x05rot13tR.", "encoded in another way"),
        "a name in rot13": (b"\x80\x04" + encode + names + b"\x8c\x06flfgrz\x93.", "encoded in another way"),
        "EXT2": (b"\x80\x02\x83\xf0\xf0.", "asks for a registered extension"),
        "EXT4": (b"\x80\x02\x84\xf0\xf0\xf0\x00.", "asks for a registered extension"),
        "a set": (pickle.dumps({1, 2}, 4), "EMPTY_SET"),
        "a set with a call": (b"\x80\x04\x8f(" + _global("posix", "system") + b"V1\n\x85R\x90.", "EMPTY_SET"),
        "a frozen set": (pickle.dumps(frozenset({1, 2}), 4), "FROZENSET"),
        "a set, protocol 2": (pickle.dumps({1, 2}, 2), "asks for __builtin__.set"),
        "a frozen set, protocol 3": (pickle.dumps(frozenset({1}), 3), "asks for builtins.frozenset"),
    }


@pytest.mark.parametrize("trick", of_another_age("x"))
@pytest.mark.parametrize("wrap", [bytes, as_npy], ids=["bare", "npy"])
def test_refuses_forms_that_no_file_has_and_runs_nothing(tmp_path: Path, trick: str, wrap: Any) -> None:
    target = tmp_path / "made_by_the_pickle"
    content, says = of_another_age(str(target))[trick]
    (path := tmp_path / "auto_lang_ann.npy").write_bytes(wrap(content))
    with pytest.raises(DatasetError) as refused:
        load_npy_pickle(path)
    text = str(refused.value)
    assert text.startswith(f"{path} ") and says in text and "\n" not in text, text
    assert not target.exists()


@pytest.mark.parametrize("trick", hostile_pickles("x"))
@pytest.mark.parametrize("wrap", [bytes, as_npy], ids=["bare", "npy"])
def test_refuses_hostile_pickles_and_runs_nothing(tmp_path: Path, trick: str, wrap: Any) -> None:
    target = tmp_path / "made_by_the_pickle"
    path = tmp_path / "auto_lang_ann.npy"
    path.write_bytes(wrap(hostile_pickles(str(target))[trick]))
    with pytest.raises(UnsafePickle, match=r"auto_lang_ann\.npy asks for .*nothing in the file was run"):
        load_npy_pickle(path)
    assert not target.exists()


def test_names_the_global_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"cposix\nsystem\n(V1\ntR.")
    with pytest.raises(UnsafePickle, match=r"a asks for posix\.system; "):
        load_npy_pickle(tmp_path / "a")


def test_names_that_move_a_terminal_are_shown_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"cpo\x1b[2Jsix\n" + b"x" * 900 + b"\n.")
    with pytest.raises(UnsafePickle, match=r"a asks for po\\x1b\[2Jsix\.x{60}\.\.\.; "):
        load_npy_pickle(tmp_path / "a")


NUMPY_DTYPE = b"\x80\x02cnumpy\ndtype\n"
EMPTY_ARRAY = b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
U0 = b"U\x02U0\x85R"
MULTIARRAY = b"\x80\x03cnumpy._core.multiarray\n"


@pytest.mark.parametrize(
    "content",
    {
        "no pickle": b"CALVIN",
        "empty": b"",
        "cut short": pickle.dumps(annotations(), 4)[:-20],
        "attribute of an admitted name": NUMPY_DTYPE + b"}U\x04evilI1\nsb.",
        "slot of an admitted name": NUMPY_DTYPE + b"N}U\x0c__defaults__)s\x86b.",
        "call of the array class": b"\x80\x02cnumpy\nndarray\nK\x09\x85R.",
        "dtype of something else": NUMPY_DTYPE + b"]\x85R.",
        "structured dtype": NUMPY_DTYPE + b"U\x05i4,i4\x85R.",
        "object scalar": MULTIARRAY + b"scalar\n" + NUMPY_DTYPE[2:] + b"U\x01O\x85RC\x08aaaaaaaa\x86R.",
        "subclass of array": MULTIARRAY + b"_reconstruct\ncbuiltins\nlist\n(K\x00tC\x01b\x87R.",
        "memo that was not written": b"\x80\x02}j\xff\xff\xff\x7f.",
        "huge text memo": b"}p9999999999\n.",
        "items without size": b"\x80\x02"
        + EMPTY_ARRAY
        + b"(K\x01J\xff\xff\xff\x7f\x85"
        + NUMPY_DTYPE[2:]
        + U0
        + b"\x89C\x00tb.",
        "INST": b"(iposix\nsystem\n.",
        "protocol 0": pickle.dumps({"a": 1}, 0),
        "another encoding": _global("_codecs", "encode") + b"U\x011U\x05rot13\x86R.",
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_or_odd_pickles(tmp_path: Path, content: tuple[str, bytes]) -> None:
    (tmp_path / "a").write_bytes(content[1])
    with pytest.raises(DatasetError, match=r"a is not a readable pickle: "):
        load_npy_pickle(tmp_path / "a")


def test_keeps_foreign_byte_order(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(np.arange(3, dtype=">f8"), 4))
    assert load_npy_pickle(tmp_path / "a").tolist() == [0, 1, 2]
    assert np.dtype("f8").isnative


def test_numbers_are_never_taken_for_objects(tmp_path: Path) -> None:
    """The flags of a pickled dtype can claim that its numbers are pointers; they are not believed."""
    content = pickle.dumps(np.arange(3.0), 3)
    native, claims_objects = b"K\x00t", b"K\x3ft"
    assert content.count(native) >= 1
    at = content.rindex(native, 0, content.index(b"C\x18"))
    (tmp_path / "a").write_bytes(content[:at] + claims_objects + content[at + len(native) :])
    array = load_npy_pickle(tmp_path / "a")
    assert array.tolist() == [0, 1, 2]
    assert not array.dtype.hasobject


def test_shape_larger_than_the_data(tmp_path: Path) -> None:
    """numpy's own unpickling of an object array would read past the end of its list here."""
    content = pickle.dumps(np.array([None, "x", 1], dtype=object), 3)
    assert content.count(b"K\x01K\x03\x85") == 1
    (tmp_path / "a").write_bytes(content.replace(b"K\x01K\x03\x85", b"K\x01K\xff\x85"))
    with pytest.raises(DatasetError, match=r"an array of shape \(255,\) has other data than 255 items"):
        load_npy_pickle(tmp_path / "a")


@pytest.mark.parametrize("length", [4, 9, 40, 130])
def test_npy_cut_short(tmp_path: Path, length: int) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:length])
    with pytest.raises(DatasetError, match=r"a\.npy "):
        load_npy_pickle(tmp_path / "a.npy")


ORIGINAL = pickle.dumps(annotations(), 3)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(position=st.integers(0, len(ORIGINAL) - 1), byte=st.integers(0, 255))
def test_no_changed_byte_leads_elsewhere(tmp_path: Path, position: int, byte: int) -> None:
    """A changed file is read, or refused by name."""
    (tmp_path / "a").write_bytes(ORIGINAL[:position] + bytes([byte]) + ORIGINAL[position + 1 :])
    try:
        load_npy_pickle(tmp_path / "a")
    except DatasetError as error:
        assert str(tmp_path / "a") in str(error)
