"""Safetensors on disk."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from errors import CheckpointError
from models.weight_files import has_weights, open_weights
from models.weights import check_fit, write_sharded, write_weights

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.int64)}


def test_bytes_depend_on_the_tensors_alone(tmp_path: Path) -> None:
    write_weights(TENSORS, tmp_path / "one.safetensors")
    strided = {"a": TENSORS["a"], "b": TENSORS["b"].T.contiguous().T}
    write_weights(strided, tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_bytes_are_those_of_the_safetensors_library(tmp_path: Path) -> None:
    tensors = {
        **TENSORS,
        "c": torch.ones(3, dtype=torch.bool),
        "empty": torch.zeros(0),
        "one": torch.tensor(2.0),
    }
    write_weights(tensors, tmp_path / "ours.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == save(tensors, metadata={"format": "pt"})


def test_half_precision_and_shards(tmp_path: Path) -> None:
    tensors = {f"t{i}": torch.full((4, 4), float(i)).to(torch.bfloat16) for i in range(5)}
    write_sharded(tensors, tmp_path, shard_bytes=70)  # two of 32 bytes fit
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert files == [f"model-{i:05d}-of-00003.safetensors" for i in (1, 2, 3)]
    assert load_file(tmp_path / files[2])["t4"].dtype == torch.bfloat16
    read = open_weights(tmp_path)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    write_sharded(tensors, tmp_path)
    assert sorted(path.suffixes[-1] for path in tmp_path.glob("*.index.json")) == []
    assert set(open_weights(tmp_path)) == set(tensors)


def test_round_trip(tmp_path: Path) -> None:
    write_weights(TENSORS, tmp_path / "model.safetensors")
    read = open_weights(tmp_path)
    assert {name: tensor.tolist() for name, tensor in read.items()} == {
        name: tensor.tolist() for name, tensor in TENSORS.items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def shards(folder: Path) -> None:
    save_file({"a": TENSORS["a"]}, folder / "s1.safetensors")
    save_file({"b": TENSORS["b"]}, folder / "s2.safetensors")
    index = {"weight_map": {"a": "s1.safetensors", "b": "s2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards(tmp_path: Path) -> None:
    assert not has_weights(tmp_path)
    shards(tmp_path)
    assert has_weights(tmp_path)
    assert set(open_weights(tmp_path)) == {"a", "b"}


def test_damaged_shards(tmp_path: Path) -> None:
    shards(tmp_path)
    shard = tmp_path / "s2.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5])
    with pytest.raises(CheckpointError, match=r"s2\.safetensors is damaged"):
        open_weights(tmp_path)
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"s2\.safetensors does not exist"):
        open_weights(tmp_path)
    save_file({"c": TENSORS["b"]}, shard)
    with pytest.raises(CheckpointError, match=r"s2\.safetensors lacks b"):
        open_weights(tmp_path)
    places = {"weight_map": {"a": "../s1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(places))
    with pytest.raises(CheckpointError, match="outside its folder"):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    ("second", "reason"), [([8, 24], "shares bytes with a"), ([20, 36], "does not follow on a")]
)
def test_tensors_that_overlap_or_leave_a_gap(tmp_path: Path, second: list[int], reason: str) -> None:
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"a": entry, "b": {**entry, "data_offsets": second}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(second[1])
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"damaged or truncated: b {reason}"):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0.0, 4.0]},
        {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "1", "data_offsets": "04"},
        7,
    ],
    ids=["negative", "immense", "fraction", "fractional place", "type", "text", "number"],
)
def test_a_header_whose_entry_is_none(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"a": entry}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"1234")
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        open_weights(tmp_path)["a"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "it holds no object, but list"),
        ("{}", "weight_map"),
        ('{"weight_map": 7}', "weight_map is not an object of tensor names and shard names"),
        ('{"weight_map": {"a": 3}}', "weight_map is not an object of tensor names and shard names"),
        ('{"weight_map": {"a": "s1.safetensors", "b": null}}', "weight_map is not an object"),
        ('{"weight_map": [["a", "s1.safetensors"]]}', "weight_map is not an object"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, content: str, reason: str) -> None:
    shards(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match=rf"index\.json is not a safetensors index: .*{reason}"):
        open_weights(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": TENSORS["a"]}, "1 tensors are missing: b"),
        ({**TENSORS, "x": TENSORS["a"]}, "1 tensors are not part of the model: x"),
        ({**TENSORS, "b": TENSORS["b"].T}, r"b has shape \(3, 2\), the model needs \(2, 3\)"),
    ],
)
def test_tensors_that_do_not_fit(given: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"somewhere: {message}"):
        check_fit(given, TENSORS, "somewhere")


@pytest.mark.parametrize(
    ("given", "needed", "fits"),
    [
        (torch.float16, torch.float32, True),
        (torch.int64, torch.int64, True),
        (torch.int32, torch.int64, False),
        (torch.int64, torch.float32, False),
        (torch.float32, torch.int64, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "in a file"])
def test_only_the_width_of_floating_point_may_differ(
    given: torch.dtype, needed: torch.dtype, fits: bool, stored: bool, tmp_path: Path
) -> None:
    tensors: Mapping[str, Tensor] = {"a": torch.zeros(2, dtype=given)}
    if stored:
        write_weights(tensors, tmp_path / "model.safetensors")
        tensors = open_weights(tmp_path)
    expected = {"a": torch.zeros(2, dtype=needed)}
    if fits:
        check_fit(tensors, expected, "somewhere")
        return
    names = [str(dtype).removeprefix("torch.") for dtype in (given, needed)]
    with pytest.raises(
        CheckpointError, match=f"somewhere: a is of type {names[0]}, the model needs {names[1]}"
    ):
        check_fit(tensors, expected, "somewhere")
