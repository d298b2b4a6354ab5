"""What a job is told about its model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from errors import CheckpointError, ConfigError, WeightsMissing
from experiments.reconvla.arms import built_in, built_in_method
from experiments.reconvla.model_plan import backbone_folders, planned_config, planned_model, planned_stage
from experiments.reconvla.sections import Backbones, Model, Training
from models.config import final_config
from models.folder_identity import folder_identity


def test_an_override_changes_one_field_and_the_vocabulary_comes_from_the_tokenizer():
    planned = planned_config("toy", {"language": {"layers": 2}}, built_in_method("recon"), 0.5)
    config = final_config(planned, vocab_size=321)
    assert config.language.layers == 2
    assert config.language.vocab_size == config.language.action_vocab_size == 321
    assert config.denoiser is not None and config.denoiser.loss_weight == 0.5


@pytest.mark.parametrize("arm", built_in())
def test_arms(arm):
    config = final_config(planned_config("toy", {}, built_in_method(arm)), 321)
    assert (config.denoiser is not None) == arm.endswith(("recon", "recon_pretrain"))
    assert config.box_tokens == (4 if arm == "cot_grounding" else 0)
    assert config.pictures == (2 if arm == "explicit_grounding" else 1)


@pytest.mark.parametrize(
    ("override", "said"), [({"hight": 3}, "hight"), ({"vision": {"image_size": -1}}, "image_size")]
)
def test_errors_name_the_field(override, said):
    with pytest.raises(ConfigError, match=said):
        planned_config("toy", override, built_in_method("recon"))


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(ConfigError, match="toy"):
        planned_config("huge", {}, built_in_method("recon"))


QWEN = {"model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936}  # fmt: skip
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 768, "num_hidden_layers": 12,
          "num_attention_heads": 12, "intermediate_size": 3072, "image_size": 224, "patch_size": 16}  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "sound", "change", "says"),
    [
        ("language.layers", QWEN, {"num_hidden_layers": 28}, "num_hidden_layers is 28, the model needs 24"),
        (
            "vision.image_size",
            SIGLIP,
            {"image_size": 384},
            "image_size / patch_size is 24, the model needs 14",
        ),
    ],
)
def test_a_folder_of_another_shape_is_refused_when_it_is_planned(
    ours: str, sound: dict[str, object], change: dict[str, object], says: str, tmp_path: Path
) -> None:
    part, _, name = ours.partition(".")
    (file := tmp_path / "config.json").write_text(json.dumps(sound))
    planned_config("small", {}, built_in_method("recon"), folders={part: tmp_path})
    file.write_text(json.dumps(sound | change))
    sentence = (
        f"{file}: {says}: name a folder that fits model.size, or say its shape in model.override.{part}"
    )
    with pytest.raises(CheckpointError, match=f"^{re.escape(sentence)}$"):
        planned_config("small", {}, built_in_method("recon"), folders={part: tmp_path})
    override = {part: {name: next(iter(change.values()))}}
    planned_config("small", override, built_in_method("recon"), folders={part: tmp_path})


def folder(place: Path, tokenizer: bool = True, content: bytes = b"weights") -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(content)
    if tokenizer:
        (place / "tokenizer_config.json").write_text("{}")
    return place


def test_a_folder_is_known_by_its_content_and_not_by_its_place(tmp_path: Path):
    first, copy = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert folder_identity(first) == folder_identity(copy)
    (copy / "README.md").write_text("no part of the model")
    assert folder_identity(first) == folder_identity(copy)
    assert folder_identity(first) != folder_identity(folder(tmp_path / "c", content=b"weighty"))


def test_a_large_file_is_known_by_samples_of_it(tmp_path: Path):
    large = bytearray(40 << 20)
    first = folder_identity(folder(tmp_path / "a", content=bytes(large)))
    large[-1] = 1
    assert folder_identity(folder(tmp_path / "b", content=bytes(large))) != first
    large[-1], large[100] = 0, 1
    assert folder_identity(folder(tmp_path / "c", content=bytes(large))) != first


def test_the_tokenizer_lies_with_the_language_model_or_apart(tmp_path: Path):
    together, apart = folder(tmp_path / "a"), folder(tmp_path / "b", tokenizer=False)
    folders = backbone_folders(Backbones(language=str(together), vision=str(apart)))
    spec = planned_model(Model(), folders, built_in_method("recon"), 1.0, ["open the drawer"])
    assert spec.tokenizer is not None and spec.tokenizer.root == str(together)
    assert set(spec.backbones) == {"language", "vision"}
    assert spec.instructions is None
    assert planned_model(Model(), {}, built_in_method("recon"), 1.0, ["open"]).instructions == ("open",)
    with pytest.raises(WeightsMissing, match="holds no tokenizer"):
        backbone_folders(Backbones(language=str(apart)))
    backbone_folders(Backbones(language=str(apart), tokenizer=str(together)))
    with pytest.raises(WeightsMissing, match="is not a folder"):
        backbone_folders(Backbones(vision=str(tmp_path / "nowhere")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsMissing, match="holds no model files"):
        backbone_folders(Backbones(vision=str(tmp_path / "empty")))


@pytest.mark.parametrize(
    ("size", "override", "settings", "few"),
    [
        ("toy", {}, {}, True),
        ("small", {}, {}, False),
        ("toy", {"language": {"max_positions": 1024}}, {}, False),
        ("toy", {}, {"precision": "bf16"}, False),
        ("toy", {}, {"gradient_checkpointing": True}, False),
        ("toy", {}, {"devices": 2}, False),
    ],
)
def test_what_is_trained_in_few_operations_is_fixed_when_it_is_planned(size, override, settings, few):
    config = planned_config(size, override, built_in_method("recon"))
    training = Training(steps=10, batch_size=2, learning_rate=1e-3, **settings)
    assert (planned_stage(training, "training", config).operations == "few") == few
