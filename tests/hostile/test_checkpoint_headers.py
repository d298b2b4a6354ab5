"""Files of strangers' checkpoints whose headers, indexes or JSON say too much: refused before anything is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detectors.grounding_dino import files
from errors import CheckpointError, InvalidInput
from models.json_files import read_json
from models.openvla_checkpoint import read_config
from models.reconvla import ReconVLA
from models.weight_files import open_file, open_weights
from settings.tensor_header import read_header
from tests.hostile.checkpoints import HEADERS, entry, header_file
from tests.hostile.sentences import sentence


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_says_too_much_is_refused(case: str, tmp_path: Path) -> None:
    header, says = HEADERS[case]
    file = header_file(tmp_path / "model.safetensors", header, bytes(8))
    for read in (open_file, lambda path: open_weights(path.parent)):
        with pytest.raises(CheckpointError) as refused:
            read(file)
        assert says in sentence(refused, file)


@pytest.mark.parametrize("length", [2, 7, 64, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_another_length_is_refused(length: int, tmp_path: Path) -> None:
    file = header_file(tmp_path / "x.safetensors", {"x": entry()}, bytes(8), length)
    with pytest.raises(CheckpointError) as refused:
        open_file(file)
    sentence(refused, file)


def test_a_header_longer_than_the_limit_is_not_read(tmp_path: Path) -> None:
    file = header_file(tmp_path / "x.safetensors", {"x": entry()}, bytes(8))
    assert read_header(file)["x"].shape == (2,)
    with pytest.raises(CheckpointError, match="its header would take") as refused:
        open_file(file, longest_header=40)
    sentence(refused, file)


@pytest.mark.parametrize("size", range(8))
def test_a_file_without_a_whole_header_is_refused(size: int, tmp_path: Path) -> None:
    (file := tmp_path / "x.safetensors").write_bytes(bytes(size))
    with pytest.raises(CheckpointError) as refused:
        open_file(file)
    sentence(refused, file)


_NO_MAP, _OUTSIDE = (
    "weight_map is not an object of tensor names and shard names",
    "names a shard outside its folder",
)

INDEXES: dict[str, tuple[Any, str]] = {
    "no object": ([], "it holds no object"),
    "no map": ({}, _NO_MAP),
    "a map that is none": ({"weight_map": 3}, _NO_MAP),
    "a shard that is none": ({"weight_map": {"x": 3}}, _NO_MAP),
    "a shard outside": ({"weight_map": {"x": "../x.safetensors"}}, f"{_OUTSIDE}: '../x.safetensors'"),
    "a shard anywhere": ({"weight_map": {"x": "/x.safetensors"}}, f"{_OUTSIDE}: '/x.safetensors'"),
    "a long name": ({"weight_map": {"x": "x" * 5000}}, f"{_OUTSIDE}: 'xxxxxxxx"),
    "a long name of few characters": ({"weight_map": {"x": "名" * 90}}, f"{_OUTSIDE}: '名名名名"),
    "a zero": ({"weight_map": {"x": "a\0b"}}, f"{_OUTSIDE}: 'a\\x00b'"),
    "half a character": ({"weight_map": {"x": "\ud800"}}, f"{_OUTSIDE}: '\\ud800'"),
    "no name": ({"weight_map": {"x": ""}}, f"{_OUTSIDE}: ''"),
    "levels": (json.loads("[" * 150 + "]" * 150), "more than 100 levels deep"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_cannot_be_used_is_refused(case: str, tmp_path: Path) -> None:
    content, says = INDEXES[case]
    (index := tmp_path / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError) as refused:
        open_weights(tmp_path)
    assert says in sentence(refused, index)


JSON_FILES = {
    "levels of lists": ("[" * 150 + "]" * 150, "more than 100 levels deep"),
    "levels of objects": ('{"a":' * 150 + "1" + "}" * 150, "more than 100 levels deep"),
    "levels beyond those of Python": ('{"a":' * 20_000 + "1" + "}" * 20_000, "more than 100 levels deep"),
    "digits": ('{"vocab_size": ' + "1" * 5000 + "}", "written with 5000 characters"),
    "a list": ("[]", "must hold an object, not list"),
    "a key twice": ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
    "a long key twice": ("{" + ", ".join([f'"{"x" * 5000}": 1'] * 2) + "}", "xxx... is given twice"),
    "nothing": ("", "Expecting value: line 1 column 1"),
    "no JSON": ("x" * 5000, "Expecting value: line 1 column 1"),
}


@pytest.mark.parametrize("case", JSON_FILES)
def test_json_of_a_model_is_one_sentence(case: str, tmp_path: Path) -> None:
    content, says = JSON_FILES[case]
    (file := tmp_path / "config.json").write_text(content)
    readers: tuple[Callable[[Path], Any], ...] = (read_json, ReconVLA.from_pretrained, read_config)
    for read in readers:
        with pytest.raises(InvalidInput) as refused:
            read(file if read is read_json else tmp_path)
        assert says in sentence(refused, file)
    with pytest.raises(CheckpointError) as refused:
        files.check_stored(tmp_path)
    assert says in sentence(refused, tmp_path)
