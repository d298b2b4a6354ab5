"""OpenVLAs of strangers: entries of their configurations that their tensors do not have are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from errors import CheckpointError
from models.openvla_checkpoint import load_openvla, read_config
from models.weight_files import open_weights
from tests.hostile.checkpoints import copy_with
from tests.hostile.checkpoints import no_model as no_model
from tests.hostile.sentences import sentence
from tests.models.openvla_sample import DINO, SIGLIP, TEXT, make_openvla


@pytest.fixture(scope="module")
def openvla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    make_openvla(folder := tmp_path_factory.mktemp("openvla"))
    return folder


#: What the configuration says, and the beginning of what is said of it.
OPENVLA: list[tuple[dict[str, Any], str]] = [
    *(({"text_config": TEXT | {"num_hidden_layers": n}}, "text_config.num_hidden_layers ")
      for n in (3, 10**7, 2**62, "2", 0, -1, 2.5)),
    *(({"text_config": TEXT | {"vocab_size": n}}, "text_config.vocab_size ") for n in (32065, 2**62, 10**90, 0, "9")),
    *(({"text_config": TEXT | {name: 2**62}}, f"text_config.{name} is {2**62}, ")
      for name in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
                   "max_position_embeddings")),
    *(({"text_config": value}, "text_config must be an object") for value in (["x"] * 5000, None, 3)),
    *(({"n_action_bins": n}, "n_action_bins ")
      for n in (10**9, 2**62, 1, -3, float("inf"), "x" * 5000, True, 256.5, None)),
    *(({"image_sizes": [n, n]}, "image_sizes ") for n in (56, 10**6, 2**62, 0, -28, 28.0, "28")),
    ({"image_sizes": [[28] * 5000] * 2}, "image_sizes "),
    *(({"image_sizes": value}, "image_sizes ") for value in ([], 28, None, "28", [28, 56])),
    *(({"pad_to_multiple_of": n}, "pad_to_multiple_of ") for n in (10**90, -(2**62), "x", 0.5, 32064)),
    *(({"timm_model_ids": value}, "timm_model_ids ") for value in (["x" * 5000] * 2, 7, None)),
    ({"image_resize_strategy": ["x"] * 5000}, "image_resize_strategy "),
    *(({"norm_stats": value}, "norm_stats ") for value in ([1] * 5000, 3, None)),
    ({"norm_stats": {"x" * 5000: {}}}, "the action statistics of 'xxxxxxxx"),
    *(({"norm_stats": {"a": {"action": dict.fromkeys(("q01", "q99", "min", "max"), value)}}},
       "the action statistics of 'a' ")
      for value in (["x" * 5000], [0.0] * 9000, [], 3)),
]  # fmt: skip


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(("change", "says"), OPENVLA, ids=range(len(OPENVLA)))
def test_a_size_that_no_tensor_of_an_openvla_has_is_refused(
    openvla: Path, change: Any, says: str, tmp_path: Path
) -> None:
    values = json.loads((openvla / "config.json").read_text()) | change
    folder = copy_with(openvla, tmp_path / "strange", values)
    with pytest.raises(CheckpointError) as refused:
        load_openvla(folder, read_config(folder))
    file = folder / "config.json"
    assert f"{file}: {says}" in sentence(refused, file)


@pytest.mark.parametrize(
    "entry", ["n_action_bins", "pad_to_multiple_of", "image_sizes", "timm_model_ids", "image_resize_strategy",
              "norm_stats", "text_config"]
)  # fmt: skip
def test_an_entry_that_an_openvla_lacks_is_named(openvla: Path, entry: str, tmp_path: Path) -> None:
    values = json.loads((openvla / "config.json").read_text())
    del values[entry]
    folder = copy_with(openvla, tmp_path / "strange", values)
    with pytest.raises(CheckpointError) as refused:
        read_config(folder)
    assert f"{folder / 'config.json'}: {entry} " in sentence(refused, folder)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        (
            f"{DINO}patch_embed.proj.weight",
            (3,),
            f"{DINO}patch_embed or its first block have no tower's shapes",
        ),
        (
            f"{DINO}patch_embed.proj.weight",
            (0, 3, 14, 14),
            f"{DINO}patch_embed.proj.weight has no tower's shape",
        ),
        (
            f"{DINO}patch_embed.proj.weight",
            (32, 3, 0, 14),
            f"{DINO}patch_embed.proj.weight has no tower's shape",
        ),
        (
            f"{SIGLIP}blocks.0.mlp.fc1.weight",
            (),
            f"{SIGLIP}patch_embed or its first block have no tower's shapes",
        ),
        (
            f"{SIGLIP}blocks.99999.mlp.fc1.weight",
            (1, 1),
            f"the weights have no {SIGLIP}blocks.3.mlp.fc1.weight",
        ),
        (f"{DINO}blocks.7.mlp.fc2.weight", (1, 1), f"the weights have no {DINO}blocks.3.mlp.fc1.weight"),
    ],
)
def test_a_tower_of_other_tensors_is_refused(
    openvla: Path, name: str, shape: tuple[int, ...], says: str, tmp_path: Path
) -> None:
    tensors = dict(open_weights(openvla)) | {name: torch.zeros(shape)}
    folder = tmp_path / "strange"
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text((openvla / "config.json").read_text())
    with pytest.raises(CheckpointError) as refused:
        load_openvla(folder, read_config(folder))
    assert f"{folder}: {says}" in sentence(refused, folder)


def test_a_sound_openvla_is_read(openvla: Path) -> None:
    assert load_openvla(openvla, read_config(openvla)).shape.dino.layers == 3
