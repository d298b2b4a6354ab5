"""What the headers of a sharded checkpoint's files say: as torch's own reader finds it."""

import json
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from errors import CheckpointError
from models.shard_reading import CheckedFiles
from models.sharded_checkpoint import load_sharded, read_manifest, save_sharded
from models.weight_files import open_file
from models.weights import write_weights

TENSORS = {
    "a": torch.arange(12.0).reshape(3, 4),
    "b": torch.ones(5, dtype=torch.bfloat16),
    "step": torch.tensor(7.0),
    "none": torch.empty(0, 4),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two files."""
    save_sharded(tmp_path / "checkpoint", TENSORS, 7, file_bytes=32)
    return tmp_path / "checkpoint"


def _reader(place: Path) -> CheckedFiles:
    reader = CheckedFiles(place, read_manifest(place).files, lambda work: [work()], lambda: None)
    reader.open()
    return reader


def test_parts_are_those_that_torch_finds(place: Path) -> None:
    own, by_torch = _reader(place).read_metadata(), HuggingFaceStorageReader(str(place)).read_metadata()
    assert len(list(place.glob("*.safetensors"))) > 1
    assert own.state_dict_metadata == by_torch.state_dict_metadata
    assert {index: str(place / name) for index, name in own.storage_data.items()} == {
        index: each.relative_path for index, each in by_torch.storage_data.items()
    }


def test_parts_of_one_tensor_are_put_together(tmp_path: Path) -> None:
    for number, first in enumerate((0, 2)):
        offsets = json.dumps({"a": {"saved_offsets": [first, 0]}})
        header = {"DCP_SHARDING_INFO": offsets, "DCP_VERSION": "1.0"}
        write_weights(
            {"a": TENSORS["a"][first : first + 2]}, tmp_path / f"{number}.safetensors", header=header
        )
    held = {f"{number}.safetensors": (0, "") for number in range(2)}
    reader = CheckedFiles(tmp_path, held, lambda work: [work()], lambda: None)
    reader.open()
    whole = reader.read_metadata().state_dict_metadata["a"]
    assert isinstance(whole, TensorStorageMetadata)
    by_torch = HuggingFaceStorageReader(str(tmp_path)).read_metadata().state_dict_metadata["a"]
    assert isinstance(by_torch, TensorStorageMetadata)
    assert whole.size == by_torch.size == (3, 4)
    assert whole.properties == by_torch.properties
    assert sorted(whole.chunks, key=str) == sorted(
        by_torch.chunks, key=str
    )  # torch's lie as the folder gives them
    assert [tuple(part.offsets) for part in whole.chunks] == [(0, 0), (2, 0)]


@pytest.mark.parametrize(
    "header",
    [
        None,
        {"DCP_SHARDING_INFO": "no JSON"},
        {"DCP_SHARDING_INFO": "[]"},
        {"DCP_SHARDING_INFO": '{"b": {"saved_offsets": [0]}}'},
        {"DCP_SHARDING_INFO": '{"a": {"saved_offsets": [0]}}'},
        {"DCP_SHARDING_INFO": '{"a": {"saved_offsets": [-1, 0]}}'},
        {"DCP_SHARDING_INFO": '{"a": {"saved_offsets": [9223372036854775807, 0]}}'},
        {"DCP_SHARDING_INFO": '{"a": {"saved_offsets": [1e999, 0]}}'},
        {"DCP_SHARDING_INFO": '{"a": {"saved_offsets": [true, 0]}}'},
        {"DCP_SHARDING_INFO": "[" * 5000 + "]" * 5000},
    ],
)
def test_a_header_that_does_not_say_it_is_told_by_its_file(
    tmp_path: Path, header: dict[str, str] | None
) -> None:
    write_weights({"a": TENSORS["a"]}, tmp_path / "odd.safetensors", header=header)
    reader = CheckedFiles(tmp_path, {"odd.safetensors": (0, "")}, lambda work: [work()], lambda: None)
    with pytest.raises(CheckpointError, match=r"odd\.safetensors does not say which parts"):
        reader.open()


def test_a_damaged_header_is_told_as_damage(place: Path) -> None:
    first = sorted(place.glob("*.safetensors"))[0]
    content = bytearray(first.read_bytes())
    content[9] ^= 1
    first.write_bytes(bytes(content))
    filled = {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}
    with pytest.raises(CheckpointError, match="is damaged"):
        load_sharded(place, filled)


def test_what_is_beside_the_tensors_is_read_with_them(tmp_path: Path) -> None:
    write_weights({"a": TENSORS["a"]}, tmp_path / "one.safetensors", header={"said": "so"})
    assert open_file(tmp_path / "one.safetensors").metadata["said"] == "so"
