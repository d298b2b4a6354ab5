"""Checkpoints of strangers: what their configurations tell of is compared with their tensors before a model is made.

Each case is a small sound folder in which one thing is replaced. A model is never begun: making one fails the test.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from errors import CheckpointError, InvalidInput
from models.assembly import assemble
from models.config import ReconVLAConfig
from models.generation_rules import rules_of_folder
from models.official import neighbour_files
from models.part_configs import AutoencoderConfig, LatentConfig
from models.reconvla import ReconVLA
from models.stored_sizes import check_stored_sizes
from settings.shown import shown
from tests.hostile.checkpoints import copy_with, replaced
from tests.hostile.checkpoints import no_model as no_model
from tests.hostile.sentences import sentence
from tests.models.conftest import config as config
from tests.models.conftest import tokenizer as tokenizer


@pytest.fixture(scope="module")
def saved(config: ReconVLAConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    ReconVLA(config, 0).save_pretrained(folder)
    return folder


#: The field, what stands there, and the field that is named where it is another.
OURS = [
    *(("language.layers", n, "") for n in (3, 10**7, 2**62)),
    *(("language.vocab_size", n, "") for n in (10**6, 2**62, 10**90)),
    ("language.hidden", 52, "language.heads: must split language.hidden (52)"),
    ("language.hidden", 2**40, ""),
    *(("language.mlp_width", n, "") for n in (65, 2**62)),
    *(("vision.layers", n, "") for n in (3, 10**7)),
    *(("vision.width", n, "") for n in (36, 2**62)),
    *(("vision.mlp_width", n, "") for n in (65, 2**62)),
    *(("vision.image_size", n, "") for n in (48, 2**62)),
    *(("vision.patch_size", n, "") for n in (9, 2**62)),
    *(("denoiser.depth", n, "") for n in (2, 10**7)),
    *(("denoiser.width", n, "") for n in (36, 2**62)),
    *(("latents.cell", n, "") for n in (8, 2**31)),
    ("language.max_positions", 2**62, ""),
    ("chunk_steps", 2**62, ""),
    ("state_dims", 10**90, ""),
    ("latents.channels", 2**62, ""),
]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(("field", "value", "named"), OURS)
def test_a_size_that_no_tensor_of_ours_has_is_refused(
    saved: Path, field: str, value: int, named: str, tmp_path: Path
) -> None:
    values = json.loads((saved / "config.json").read_text())
    folder = copy_with(saved, tmp_path / "strange", replaced(values, field, value))
    with pytest.raises(InvalidInput) as refused:
        ReconVLA.from_pretrained(folder)
    text = sentence(refused, folder)
    assert re.search(rf" {re.escape(named or field)}[: ]", text), text


def test_a_sound_checkpoint_is_read(saved: Path) -> None:
    assert ReconVLA.from_pretrained(saved).config.language.layers == 2


def test_a_checkpoint_without_its_tensors_is_refused(saved: Path, no_model: None, tmp_path: Path) -> None:
    folder = copy_with(saved, tmp_path / "strange", json.loads((saved / "config.json").read_text()))
    (folder / "model.safetensors").unlink()
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"language\.layers is 2 by its configuration, its tensors have 0"
    ) as refused:
        ReconVLA.from_pretrained(folder)
    sentence(refused, folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layers_per_block": 40}, "layers_per_block is 40"),
        ({"block_channels": (8,) * 5}, "block_channels is 5"),
    ],
)
def test_stages_that_no_tensor_of_an_autoencoder_has_are_refused(
    config: ReconVLAConfig, change: dict[str, Any], says: str
) -> None:
    sound = {"block_channels": (8, 8), "layers_per_block": 1, "norm_groups": 4, "middle_attention": True}
    stored = {
        f"latents.autoencoder.encoder.down_blocks.{n}.resnets.0.conv1.weight": torch.zeros(1)
        for n in range(2)
    }
    shape = AutoencoderConfig(**(sound | change))  # type: ignore[arg-type]
    cell = 2 ** (len(shape.block_channels) - 1)
    latents = LatentConfig(channels=4, cell=cell, scale=1.0, shift=0.0, autoencoder=shape)
    with pytest.raises(CheckpointError) as refused:
        check_stored_sizes(dataclasses.replace(config, latents=latents), stored, "some folder", {"latents"})
    assert says in sentence(refused, "some folder")


# --- folders of parts ----------------------------------------------------------------------------

QWEN = {"model_type": "qwen2", "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": 600}  # fmt: skip
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
          "intermediate_size": 64, "image_size": 32, "patch_size": 8}  # fmt: skip

YARN = {"rope_type": "yarn", "factor": None}
WINDOW = {"use_sliding_window": True, "sliding_window": 4}

#: The part, what its configuration says in place of the above, and the beginning of what is said of it.
PARTS: list[tuple[str, dict[str, Any], str]] = [
    *(
        ("language", {"num_hidden_layers": n}, f"num_hidden_layers is {shown(n)}, the model needs 2")
        for n in (3, 10**7, 2**62, 10**90)
    ),
    *(
        ("language", {"num_hidden_layers": n} | WINDOW, f"num_hidden_layers is {n}, the model needs 2")
        for n in (10**7, 2**62)
    ),
    ("language", {"hidden_size": 2**62}, f"hidden_size is {2**62}, the model needs 48"),
    ("language", {"intermediate_size": 2**62}, f"intermediate_size is {2**62}, the model needs 64"),
    ("language", {"num_attention_heads": 2**62}, "model config field language.heads: must be at most "),
    ("language", {"layer_types": ["full_attention"] * 3000}, "layer_types has 3000 entries, "),
    ("language", {"layer_types": [["full_attention"]] * 2}, "layer_types is [['full_attention'], "),
    ("language", WINDOW | {"max_window_layers": "x" * 5000}, "max_window_layers must be a whole number, "),
    (
        "language",
        {"rope_scaling": YARN, "max_position_embeddings": "x"},
        "max_position_embeddings and original_max_position_embeddings must be positive numbers, got 'x'",
    ),
    (
        "language",
        {"rope_scaling": YARN | {"original_max_position_embeddings": 0}},
        "max_position_embeddings and original_max_position_embeddings must be positive numbers, got 32768 and 0",
    ),
    ("language", {"a" * 5000: "b" * 5000}, "aaaaaaaa"),
    ("language", {"model_type": "x" * 5000}, "model_type is 'xxxxxxxx"),
    *(
        ("vision", {"num_hidden_layers": n}, f"num_hidden_layers is {n}, the model needs 2")
        for n in (3, 10**7, 2**62)
    ),
    ("vision", {"hidden_size": 2**62}, f"hidden_size is {2**62}, the model needs 32"),
    ("vision", {"intermediate_size": 2**62}, f"intermediate_size is {2**62}, the model needs 64"),
    ("vision", {"image_size": 2**62}, f"image_size / patch_size is {2**59}, the model needs 4"),
    ("vision", {"patch_size": 2**62}, f"patch_size is {2**62}, the model needs 8"),
    ("vision", {"model_type": ["x"] * 5000}, "model_type is ['x', "),
    ("vision", {"vision_config": ["x"] * 5000}, "vision_config must be an object, got ['x', "),
]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(("part", "change", "says"), PARTS, ids=range(len(PARTS)))
def test_a_part_of_another_size_is_refused_by_its_file(
    config: ReconVLAConfig, part: str, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    sound = {"language": QWEN, "vision": SIGLIP}[part]
    (file := tmp_path / "config.json").write_text(json.dumps(sound | change))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InvalidInput) as refused:
        assemble(config, 0, {part: tmp_path})
    assert f"{file}: {says}" in sentence(refused, file)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("part", ["language", "vision"])
def test_the_sound_configuration_of_a_part_passes(config: ReconVLAConfig, part: str, tmp_path: Path) -> None:
    """What the cases above are refused for is the entry that they replace."""
    sound = {"language": QWEN, "vision": SIGLIP}[part]
    (tmp_path / "config.json").write_text(json.dumps(sound))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=rf"{part}\.layers is 2 by its configuration, its tensors have 0"
    ):
        assemble(config, 0, {part: tmp_path})


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("part", ["language", "vision"])
def test_a_part_without_its_tensors_is_refused(config: ReconVLAConfig, part: str, tmp_path: Path) -> None:
    names = {"language": "model.embed_tokens.weight", "vision": "embeddings.patch_embedding.weight"}
    save_file({names[part]: torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="its tensors have 0") as refused:
        assemble(config, 0, {part: tmp_path})
    sentence(refused, tmp_path)


@pytest.mark.parametrize(
    "bias",
    [
        {"[" * 5000: 1.0},
        {"(1,)": 1.0, "(" + "1" * 5000 + ",)": 1.0},
        [[[1] * 3, "x" * 5000]],
        "x" * 5000,
        3,
        [[3, 1.0]],
    ],
    ids=["levels", "digits", "a text", "no list", "a number", "tokens that are none"],
)
def test_a_choice_of_tokens_that_cannot_be_read_is_refused(bias: Any, tmp_path: Path) -> None:
    (file := tmp_path / "generation_config.json").write_text(json.dumps({"sequence_bias": bias}))
    with pytest.raises(CheckpointError) as refused:
        rules_of_folder(tmp_path, {}, None)
    assert f"{file}: sequence_bias " in sentence(refused, file)


OFFICIAL_NEIGHBOURS = ["x" * 5000, "x/" * 5000, "名" * 300, "a\0b", "\ud800", "/" * 5000]


@pytest.mark.parametrize("named", OFFICIAL_NEIGHBOURS, ids=range(len(OFFICIAL_NEIGHBOURS)))
def test_a_neighbour_that_no_folder_is_called_is_not_there(named: str, tmp_path: Path) -> None:
    assert neighbour_files(tmp_path, {"mm_vision_tower": named, "mm_pixel_decoder": named}) == []
