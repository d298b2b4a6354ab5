"""Checkpoints as a stranger may write them: what the tests of `tests/hostile` make them with, and what all assert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.openvla import OpenVLA
from models.reconvla import ReconVLA


def header_file(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(**values: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | values


HEADERS: dict[str, tuple[Any, str]] = {
    "no object": ([1], "object"),
    "a text": ("x", "object"),
    "an entry that is none": ({"x": 1}, "lacks type"),
    "an entry without a type": ({"x": {"shape": [2]}}, "lacks type"),
    "a name that moves a terminal": ({"a\nb\x1b[2J": entry(shape=[3])}, r"a\nb\x1b[2J of shape (3,)"),
    "three places": ({"x": entry(data_offsets=[0, 4, 8])}, "lacks type"),
    "an unknown type": ({"x": entry(dtype="F" + "9" * 900)}, "known are"),
    "a type that is none": ({"x": entry(dtype=["F32"])}, "known are"),
    "a shape that is a text": ({"x": entry(shape="22")}, "has shape"),
    "a side below zero": ({"x": entry(shape=[-2])}, "has shape"),
    "a side that is a truth": ({"x": entry(shape=[True, 2])}, "has shape"),
    "a side with a fraction": ({"x": entry(shape=[2.0])}, "has shape"),
    "a side of 2^62": ({"x": entry(shape=[2**62])}, "no tensor has"),
    "sides of 2^40 beside none": (
        {"x": entry(shape=[0, 2**40, 2**40], data_offsets=[0, 0])},
        "no tensor has",
    ),
    "a side of many digits": ({"x": entry(shape=[10**90])}, "no tensor has"),
    "many sides": ({"x": entry(shape=[1] * 5000)}, "no tensor has"),
    "more than the file has": ({"x": entry(shape=[1 << 40], data_offsets=[0, 4 << 40])}, "should have"),
    "another place": ({"x": entry(data_offsets=[0, 2**62])}, "bytes, not 8"),
    "places of many digits": ({"x": entry(data_offsets=[10**90, 10**90 + 8])}, "does not follow"),
    "bytes of two": ({"x": entry(), "y": entry()}, "shares bytes"),
    "a gap": ({"x": entry(data_offsets=[4, 12])}, "does not follow"),
    "a long name": ({"x" * 9000: entry(shape=[3])}, "bytes, not 12"),
    "levels": (b"[" * 150 + b"]" * 150, "levels"),
    "levels beyond those of Python": (b'{"a":' * 20_000, "levels"),
    "digits": (b'{"x": ' + b"1" * 101 + b"}", "101 characters"),
    "no JSON": (b"{", "Expecting property name"),
    "no text": (b"\xff\xfe\xfa", "decode"),
}


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins to make a model, however small, fails."""

    def made(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was begun")

    monkeypatch.setattr(ReconVLA, "__init__", made)
    monkeypatch.setattr(OpenVLA, "__init__", made)


def replaced(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with the value at the dotted key."""
    first, _, rest = key.partition(".")
    return values | {first: replaced(values[first], rest, value) if rest else value}


def copy_with(folder: Path, to: Path, values: dict[str, Any]) -> Path:
    to.mkdir()
    (to / "model.safetensors").symlink_to(folder / "model.safetensors")
    (to / "config.json").write_text(json.dumps(values))
    return to
