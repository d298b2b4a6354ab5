"""Files beside a checkpoint's weights: what would decide its actions is refused by name, what would not is left."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from errors import CheckpointError
from models.checkpoint import open_checkpoint
from models.config import ReconVLAConfig
from models.openvla_checkpoint import load_openvla, read_config
from models.openvla_pictures import read_normalisation
from models.reconvla import ReconVLA
from models.weight_files import open_weights
from models.weights import write_sharded
from tests.models.openvla_sample import SIZE, make_openvla

#: What OpenVLA-OFT, and others after it, lay beside the merged language model.
OF_OFT = (
    "action_head--10_checkpoint.pt",
    "action_head--latest_checkpoint.pt",
    "proprio_projector--150000_checkpoint.pt",
    "noisy_action_projector--5_checkpoint.pt",
    "vision_backbone--10_checkpoint.pt",
)
OTHERS = (
    "value_head.bin",
    "v_head.safetensors",
    "mm_projector.bin",
    "non_lora_trainables.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model-action_head.safetensors",
    "head.ckpt",
    "vision_tower.pth",
    "resampler.npz",
    "vq_tokenizer.pkl",
)
HARMLESS = (
    "pytorch_model.bin",
    "pytorch_model-00001-of-00002.bin",
    "model.fp16.safetensors",
    "model-00002-of-00002.safetensors",  # of shards from before, without an index
    "tf_model.h5",
    "flax_model.msgpack",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "rng_state_0.pth",
    "random_states_0.pkl",
    "README.md",
    "tokenizer.model",
    "trainer_state.json",
)


@pytest.fixture(params=["openvla", "ours", "official"])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path, config: ReconVLAConfig) -> tuple[Path, Any]:
    """A folder, and what reads it."""
    if request.param == "openvla":
        make_openvla(tmp_path)
        return tmp_path, lambda folder: load_openvla(folder, read_config(folder))
    official = request.param == "official"
    model = ReconVLA(config.without_reconstruction() if official else config, 3)
    model.save_pretrained(tmp_path, official_layout=official)
    return tmp_path, ReconVLA.from_pretrained


@pytest.mark.parametrize("name", [*OF_OFT, *OTHERS])
def test_tensors_that_nothing_takes_are_refused_by_name(checkpoint: tuple[Path, Any], name: str) -> None:
    folder, load = checkpoint
    torch.save({"fc1.weight": torch.ones(4, 8)}, folder / name)
    with pytest.raises(CheckpointError, match=rf"{name} holds tensors that no part of the model here takes"):
        load(folder)


@pytest.mark.parametrize("names", [HARMLESS], ids=["all"])
def test_copies_of_the_model_and_a_training_s_own_files_are_left(
    checkpoint: tuple[Path, Any], names: tuple[str, ...]
) -> None:
    folder, load = checkpoint
    for name in names:
        (folder / name).write_bytes(b"whatever")
    for state in ("checkpoint-500", "global_step500"):
        (folder / state).mkdir()
        (folder / state / "adapter_config.json").write_text("{}")
    load(folder)


@pytest.mark.parametrize("name", ["lora_adapter", "adapter", "lora"])
def test_an_adapter_in_a_folder_of_its_own_is_refused(checkpoint: tuple[Path, Any], name: str) -> None:
    folder, load = checkpoint
    (folder / name).mkdir()
    (folder / name / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=f"{name} holds an adapter; whether the weights beside it"):
        load(folder)


def test_an_adapter_s_folder_is_no_model(checkpoint: tuple[Path, Any]) -> None:
    """transformers takes it for an adapter, and reads another model than the weights that lie here."""
    folder, load = checkpoint
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    with pytest.raises(CheckpointError, match=r"adapter_config\.json makes this folder an adapter"):
        load(folder)
    with pytest.raises(CheckpointError, match=r"adapter_config\.json makes this folder an adapter"):
        open_weights(folder)  # so also for a part of a model


def test_shards_and_a_single_file_are_not_both_meant(checkpoint: tuple[Path, Any]) -> None:
    """transformers reads the single file, others the shards; equal or not."""
    folder, load = checkpoint
    tensors = load_file(folder / "model.safetensors")
    shutil.copy(folder / "model.safetensors", folder / "kept")
    write_sharded(tensors, folder, shard_bytes=100_000)
    load(folder)
    shutil.move(folder / "kept", folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"both model\.safetensors and model\.safetensors\.index\.json"):
        load(folder)


def test_a_tensor_in_two_shards_is_refused(checkpoint: tuple[Path, Any]) -> None:
    folder, load = checkpoint
    write_sharded(load_file(folder / "model.safetensors"), folder, shard_bytes=100_000)
    first, second, *_ = sorted(folder.glob("model-*.safetensors"))
    moved = load_file(first)
    name = sorted(moved)[0]
    save_file(load_file(second) | {name: moved[name] + 1}, second)
    with pytest.raises(CheckpointError, match=f"both {first.name} and {second.name} hold {name}"):
        load(folder)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("architectures", ["OpenVLAOFTForActionPrediction"]),
        ("arch_specifier", "no-align+gelu-mlp"),
        ("timm_override_act_layers", [None, "quick_gelu"]),
        ("use_fused_vision_backbone", False),
        ("use_proprio", True),
        ("num_actions_chunk", 8),
        ("quantization_config", {"load_in_4bit": True}),
    ],
)
def test_an_openvla_of_another_kind_is_refused(tmp_path: Path, entry: str, value: Any) -> None:
    make_openvla(tmp_path, **{entry: value})
    with pytest.raises(CheckpointError, match=rf"config\.json: {entry} is "):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "word", ["NUM_ACTIONS_CHUNK", "proprio_projector", "use_film", "num_images_in_input"]
)
def test_the_code_of_oft_without_its_heads_is_refused(tmp_path: Path, word: str) -> None:
    """Trained with discrete tokens it has no head, and decodes a chunk at once all the same."""
    make_openvla(tmp_path)
    (tmp_path / "modeling_prismatic.py").write_text("class OpenVLAForActionPrediction: ...\n")
    read_config(tmp_path)
    (tmp_path / "modeling_prismatic.py").write_text(f"from prismatic import {word}\n")
    with pytest.raises(CheckpointError, match=rf"modeling_prismatic\.py is not the released .*\({word}\)"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("interpolations", ["bicubic", "bilinear"]),
        ("input_sizes", [[3, SIZE, SIZE], [3, 56, 56]]),
        ("image_resize_strategy", "letterbox"),
        ("tvf_do_letterbox", True),
        ("tvf_crop_params", [{"output_size": [SIZE, SIZE]}, {"output_size": [20, 20]}]),
        (
            "tvf_resize_params",
            [{"antialias": False, "interpolation": 2, "max_size": None, "size": [SIZE, SIZE]}] * 2,
        ),
    ],
)
def test_another_preparation_of_pictures_is_refused(tmp_path: Path, entry: str, value: Any) -> None:
    make_openvla(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    values = json.loads(file.read_text())
    released = values | {
        "image_processor_type": "PrismaticImageProcessor",
        "use_fused_vision_backbone": True,
        "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, SIZE, SIZE]] * 2,
        "interpolations": ["bicubic", "bicubic"],
        "tvf_do_letterbox": False,
        "tvf_letterbox_fill": None,
        "tvf_crop_params": [{"output_size": [SIZE, SIZE]}] * 2,
        "tvf_resize_params": [{"antialias": True, "interpolation": 3, "max_size": None, "size": [SIZE, SIZE]}]
        * 2,
        "tvf_normalize_params": [
            {"inplace": False, "mean": mean, "std": deviation}
            for mean, deviation in zip(values["means"], values["stds"])
        ],
    }
    file.write_text(json.dumps(released))
    read_normalisation(tmp_path, SIZE)
    file.write_text(json.dumps(released | {entry: value}))
    with pytest.raises(CheckpointError, match=rf"preprocessor_config\.json: {entry} is "):
        read_normalisation(tmp_path, SIZE)


@pytest.mark.parametrize(
    "told",
    [
        "none", {}, [{"mean": [0.5] * 3, "std": [0.5] * 3}], [{"mean": [0.5] * 3}] * 2,
        [{"mean": [0.5] * 3, "std": [0.0] * 3}] * 2, [{"mean": [float("nan")] * 3, "std": [0.5] * 3}] * 2,
    ],
)  # fmt: skip
def test_a_normalisation_that_nothing_can_compute_is_refused(tmp_path: Path, told: Any) -> None:
    make_openvla(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tvf_normalize_params": told}))
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        read_normalisation(tmp_path, SIZE)


@pytest.fixture
def released(tmp_path: Path, config: ReconVLAConfig) -> tuple[Path, Path]:
    """A checkpoint as the released code saves it, and the tower's folder that it names, with equal weights."""
    vision = dataclasses.replace(config.vision, pooling_head=True, frozen=True)
    model = ReconVLA(dataclasses.replace(config.without_reconstruction(), vision=vision), 3)
    folder, tower = tmp_path / "checkpoint", tmp_path / "siglip"
    model.save_pretrained(folder, official_layout=True)
    values = json.loads((folder / "config.json").read_text())
    tower.mkdir()
    (tower / "config.json").write_text(
        json.dumps(
            {
                "image_size": vision.image_size, "patch_size": vision.patch_size, "hidden_size": vision.width,
                "num_hidden_layers": vision.layers, "num_attention_heads": vision.heads,
                "intermediate_size": vision.mlp_width, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
            }
        )
    )  # fmt: skip
    del values["reconvla_config"]
    # No folder of an autoencoder is here: it is the released one, of 8 px a cell.
    values |= {
        "mm_vision_tower": "./siglip",
        "decode_image_size": vision.image_size // vision.patch_size * 2 * 8,
    }
    (folder / "config.json").write_text(json.dumps(values))
    save_file(
        {
            f"vision_model.{name}": tensor.contiguous()
            for name, tensor in model.vision_tower.state_dict().items()
        },
        tower / "model.safetensors",
    )
    return folder, tower


def _change(tower: Path, name: str) -> None:
    tensors = load_file(tower / "model.safetensors")
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, tower / "model.safetensors")


def _with_entry(folder: Path, **entries: Any) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | entries))


def test_the_vision_tower_that_the_released_code_runs_is_the_checkpoint_s(
    released: tuple[Path, Path], config: ReconVLAConfig
) -> None:
    folder, tower = released
    open_checkpoint(folder)
    _change(tower, f"vision_model.encoder.layers.{config.vision.layers - 1}.layer_norm1.weight")  # never runs
    open_checkpoint(folder)
    _change(tower, "vision_model.encoder.layers.0.layer_norm1.weight")
    with pytest.raises(
        CheckpointError, match=r"mm_vision_tower names .*siglip, whose encoder\.layers\.0\.layer_norm1"
    ):
        open_checkpoint(folder)
    _with_entry(folder, unfreeze_mm_vision_tower=True)
    open_checkpoint(folder)
