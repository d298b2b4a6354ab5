"""Manifests of strangers: nothing is made of one before its shape is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.bundle import manifest
from db.bundle.manifest import MOST_HANDED, parse
from errors import BundleError
from tests.db.bundle.conftest import sealed as sealed
from tests.db.bundle.forge import parts_of
from tests.hostile.sentences import sentence


@pytest.fixture(scope="module")
def sound(sealed: Path) -> dict[str, Any]:
    return parts_of(sealed).manifest


def each(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda sound: sound | values


def first(part: str, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda sound: sound | {part: [sound[part][0] | values, *sound[part][1:]]}


MANIFESTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda _: [],
    "a text": lambda _: "x",
    "a number": lambda _: 1,
    "nothing": lambda _: None,
    "an empty object": lambda _: {},
    "an unknown entry": each(more=1),
    "another format": each(format="x" * 5000),
    "a format that is none": each(format=1),
    "a key that is none": each(key=["x"]),
    "a key with a path": each(key="../" + "0" * 29),
    "a version with a path": each(version="../../x"),
    "a long version": each(version="1" * 5000),
    "a digest that is none": each(state_sha256="x"),
    "a size below zero": each(state_bytes=-1),
    "a size of many digits": each(state_bytes=10**90),
    "a size that is a truth": each(state_bytes=True),
    "a size with a fraction": each(state_bytes=1.5),
    "no history": each(history=[]),
    "a history that is an object": each(history={}),
    "a history that is a text": each(history="x" * 500),
    "a history of numbers": each(history=[1, 2]),
    "a history of lists": each(history=[[]]),
    "files that are an object": each(files={"x": 1}),
    "files that are texts": each(files=["x"] * 50),
    "files that are nothing": each(files=[None]),
    "a file with more": first("files", more=1),
    "a file with a path outside": first("files", path="artifacts/../../outside"),
    "a file with a whole path": first("files", path="/etc/passwd"),
    "a file with a long path": first("files", path="artifacts/" + "x" * 5000),
    "a file with a zero": first("files", path="artifacts/00/" + "0" * 63 + "\0"),
    "a file of another shape": first("files", path={"x": 1}),
    "a file of a size that is none": first("files", bytes="1"),
    "a file that is perhaps inside": first("files", inside="yes"),
    "a time of infinity": first("history", at=1e999),
    "a time that no calendar has": first("history", at=1e300),
    "a time below zero": first("history", at=-1.0),
    "a time that is a text": first("history", at="now"),
    "a long host": first("history", host="x" * 5000),
    "a host that is none": first("history", host=None),
    "attempts below zero": first("history", attempts=-1),
    "a file twice": lambda sound: sound | {"files": [*sound["files"], sound["files"][0]]},
    "a bundle twice": lambda sound: sound | {"history": [sound["history"][0]] * 2},
    "levels": lambda sound: sound | {"since": json.loads("[" * 120 + "]" * 120)},
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_of_another_shape_is_refused(case: str, sound: dict[str, Any]) -> None:
    text = json.dumps(MANIFESTS[case](dict(sound))).encode()
    with pytest.raises(BundleError) as refused:
        parse(text)
    sentence(refused, "its manifest is wrong")


TEXTS: dict[str, bytes] = {
    "lists in lists": b"[" * 30_000,
    "objects in objects": b'{"a":' * 30_000,
    "many small objects": b"[" + b"{}," * 30_000 + b"{}]",
    "many small lists": b"[" + b"[]," * 30_000 + b"[]]",
    "a number of many digits": b'{"key": ' + b"1" * 5000 + b"}",
    "no text": b"\xff\xfe\xfa",
    "half a text": b'{"key": "',
    "a key twice": b'{"key": 1, "key": 2}',
    "nothing": b"",
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_manifest_that_is_none_is_refused_before_anything_is_made_of_it(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validated(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was validated")

    for kind in (manifest.File, manifest.Handed, manifest.Manifest):
        monkeypatch.setattr(kind, "model_validate", validated)
    with pytest.raises(BundleError) as refused:
        parse(TEXTS[case])
    sentence(refused, "its manifest is wrong")


def test_a_history_longer_than_any_is_refused(sound: dict[str, Any]) -> None:
    long = sound | {"history": sound["history"] * (MOST_HANDED + 1)}
    with pytest.raises(BundleError, match=f"{MOST_HANDED} are the limit"):
        parse(json.dumps(long).encode())


def test_a_manifest_of_a_hundred_thousand_files_is_read(sound: dict[str, Any]) -> None:
    files = [{"path": f"artifacts/{n % 256:02x}/{n % 256:02x}{n:062x}", "bytes": 1, "inside": True}
             for n in range(100_000)]  # fmt: skip
    text = json.dumps(sound | {"files": files}, separators=(",", ":")).encode()
    assert len(text) < manifest.MOST_MANIFEST_BYTES / 2 and len(parse(text).files) == 100_000
