"""What configurations of folders say, against the libraries' own models loaded from the same folders."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from errors import CheckpointError, ConfigError
from models.assembly import assemble
from models.batches import normalised
from models.config import ReconVLAConfig
from models.folder_config import with_folders
from models.folder_values import (
    AUTOENCODER_DEFAULTS,
    QWEN2_DEFAULTS,
    SIGLIP_DEFAULTS,
    autoencoder_values,
    language_values,
    vision_values,
)
from models.images import to_model_size
from models.part_configs import AutoencoderConfig, LatentConfig
from models.reconvla import ReconVLA
from models.sizes import SMALL, config_of_size

QWEN = {
    "vocab_size": 400, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 512, "tie_word_embeddings": False,
}  # fmt: skip
SIGLIP = {
    "image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 64,
}  # fmt: skip
IDS = torch.arange(30)[None] % 7 + torch.arange(30) * 11


def wanted(config: ReconVLAConfig, **language: Any) -> ReconVLAConfig:
    """A model of the folders' shape whose own values are others."""
    language = {
        "vocab_size": 400,
        "action_vocab_size": 400,
        "tied_embeddings": False,
        "rope_theta": 1e6,
    } | language
    return dataclasses.replace(
        config,
        size="made up",
        language=dataclasses.replace(config.language, smooth_action_init=False, **language),
        vision=dataclasses.replace(config.vision, layers=3, heads=2),
    )


def edit(folder: Path, **entries: Any) -> Path:
    """Entries of `config.json`; None takes one out."""
    file = folder / "config.json"
    values = json.loads(file.read_text()) | entries
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    return file


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}  # fmt: skip
LONG = {"rope_type": "longrope", "short_factor": [1.5] * 6, "long_factor": [3.0] * 6, "factor": 4.0,
        "original_max_position_embeddings": 128}  # fmt: skip


@pytest.mark.parametrize(
    "entries",
    [
        {"rope_theta": 1e4, "rope_parameters": None},
        {"rope_parameters": None},
        {"rope_parameters": {"rope_theta": 5e5}},
        {"rms_norm_eps": 1e-2},
        {"hidden_act": "gelu"},
        {"num_attention_heads": 2, "num_key_value_heads": 1},
        {"rope_parameters": {"rope_theta": 1e4, **YARN}},
        {"rope_parameters": {"rope_theta": 1e4, **YARN, "attention_factor": 1.3, "beta_fast": 16}},
        {"rope_theta": 1e4, "rope_scaling": {"type": "yarn", "factor": 4.0}, "rope_parameters": None},
        {"rope_theta": 1e4, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_parameters": {"rope_theta": 1e4, "rope_type": "dynamic", "factor": 2.0}},
        {"rope_parameters": {"rope_theta": 1e4, **LLAMA3}},
        {"rope_parameters": {"rope_theta": 1e4, **LONG}},
        {
            "use_sliding_window": True,
            "sliding_window": 5,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1, "layer_types": None},
    ],
    ids=lambda entries: "-".join(entries),
)
def test_a_language_model_computes_what_its_folder_says(
    config: ReconVLAConfig, tmp_path: Path, entries: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    plain = Qwen2ForCausalLM(Qwen2Config(**QWEN))
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter *= 6  # so that every entry shows
    plain.save_pretrained(tmp_path)
    edit(tmp_path, **entries)
    theirs = Qwen2ForCausalLM.from_pretrained(tmp_path).eval()
    model = assemble(wanted(config), 0, {"language": tmp_path}).eval()
    with torch.no_grad():
        expected = theirs(IDS).logits
        assert torch.equal(model.language_model(IDS).logits, expected)
        changed = (plain.eval()(IDS).logits - expected).abs().max() > 1e-3
    same = entries.get("rope_parameters", {"rope_theta": 0}) is None or "dynamic" in str(entries)
    assert changed or same, "the entry decides nothing, so this shows nothing"


def test_heads_of_a_width_of_their_own(config: ReconVLAConfig, tmp_path: Path) -> None:
    Qwen2ForCausalLM(Qwen2Config(**QWEN, head_dim=8)).save_pretrained(tmp_path)
    theirs = Qwen2ForCausalLM.from_pretrained(tmp_path).eval()
    model = assemble(wanted(config), 0, {"language": tmp_path}).eval()
    assert model.config.language.head_width == 8
    with torch.no_grad():
        assert torch.equal(model.language_model(IDS).logits, theirs(IDS).logits)


def test_an_output_layer_that_its_folder_ties(config: ReconVLAConfig, tmp_path: Path) -> None:
    """The file has one of its own, which transformers leaves."""
    Qwen2ForCausalLM(Qwen2Config(**QWEN)).save_pretrained(tmp_path)
    edit(tmp_path, tie_word_embeddings=True)
    with pytest.raises(CheckpointError, match=r"lm_head\.weight is not model\.embed_tokens\.weight"):
        assemble(wanted(config), 0, {"language": tmp_path})


@pytest.mark.parametrize(
    "entries",
    [{}, {"hidden_act": "gelu"}, {"layer_norm_eps": 1e-2}, {"num_attention_heads": 8}],
    ids=lambda entries: "-".join(entries) or "as it is",
)
@pytest.mark.parametrize("whole", [False, True], ids=["tower", "whole"])
def test_a_vision_tower_computes_what_its_folder_says(
    config: ReconVLAConfig, tmp_path: Path, entries: dict[str, Any], whole: bool
) -> None:
    torch.manual_seed(0)
    SiglipVisionModel(SiglipVisionConfig(**SIGLIP)).save_pretrained(tmp_path)
    edit(tmp_path, **entries)
    theirs = SiglipVisionModel.from_pretrained(tmp_path).eval()
    if whole:
        values = json.loads((tmp_path / "config.json").read_text())
        about = {"model_type": "siglip", "vision_config": values, "text_config": {"hidden_size": 8}}
        (tmp_path / "config.json").write_text(json.dumps(about))
    model = assemble(wanted(config), 0, {"vision": tmp_path})
    pictures = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(pictures, output_hidden_states=True).hidden_states[-2]
        assert torch.allclose(model.encode_images(pictures), expected, atol=1e-6)


def test_a_tower_of_another_size_with_as_many_patches(config: ReconVLAConfig, tmp_path: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**{**SIGLIP, "image_size": 37})).save_pretrained(tmp_path)
    assert assemble(wanted(config), 0, {"vision": tmp_path}).config.vision.image_size == 37
    edit(tmp_path, image_size=40)
    with pytest.raises(
        CheckpointError, match=r"config\.json: image_size / patch_size is 5, the model needs 4"
    ):
        assemble(wanted(config), 0, {"vision": tmp_path})


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]},
        {"resample": 2},
        {"do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
    ],
    ids=lambda entries: "-".join(entries) or "as it is",
)
def test_pictures_are_prepared_as_the_folder_of_the_tower_says(
    config: ReconVLAConfig, tmp_path: Path, entries: dict[str, Any]
) -> None:
    processing = pytest.importorskip("transformers.models.siglip.image_processing_pil_siglip")
    SiglipVisionModel(SiglipVisionConfig(**SIGLIP)).save_pretrained(tmp_path)
    processor = processing.SiglipImageProcessorPil(size={"height": 32, "width": 32}, **entries)
    processor.save_pretrained(tmp_path)
    vision = with_folders(wanted(config), {"vision": tmp_path}).vision
    picture = np.random.default_rng(0).integers(0, 256, (334, 334, 3), dtype=np.uint8)
    ours = normalised([to_model_size(picture, 32, vision.resample)], 32, vision.image_mean, vision.image_std)
    theirs = processor(picture, return_tensors="pt")["pixel_values"]
    assert (ours - theirs).abs().max() < 0.04  # a rounding of 1 / 255 between the two directions of resizing


def test_an_autoencoder_computes_what_its_folder_says(config: ReconVLAConfig, tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.3611, shift=0.1159, autoencoder=shape)
    torch.manual_seed(0)
    diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8), norm_num_groups=2, latent_channels=4, scaling_factor=1.5305, act_fn="gelu",
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    ).save_pretrained(tmp_path)  # fmt: skip
    theirs = diffusers.AutoencoderKL.from_pretrained(tmp_path).eval()
    model = assemble(dataclasses.replace(config, latents=latents), 0, {"autoencoder": tmp_path})
    assert (model.config.latents.scale, model.config.latents.shift) == (1.5305, 0.0)
    pictures = torch.rand(1, 3, 32, 32) * 2 - 1
    assert model.latents is not None
    with torch.no_grad():
        expected = theirs.encode(pictures).latent_dist.mean * theirs.config.scaling_factor
        found = torch.nn.functional.pixel_shuffle(model.latents.encode(pictures, None), 2)
        assert torch.equal(found, expected)
        decoded = theirs.decode(expected / theirs.config.scaling_factor).sample.clamp(-1, 1)
        assert torch.allclose(model.latents.decode(model.latents.encode(pictures, None)), decoded, atol=1e-6)
    bare = with_folders(config.without_reconstruction(), {"autoencoder": tmp_path})
    assert bare == config.without_reconstruction()


def test_entries_that_are_left_out_have_the_libraries_defaults() -> None:
    qwen, siglip = Qwen2Config().to_dict(), SiglipVisionConfig().to_dict()
    asked = Qwen2Config(use_sliding_window=True).to_dict()  # only then is the window shown
    assert {name: qwen[name] for name in QWEN2_DEFAULTS} | {
        "sliding_window": asked["sliding_window"]
    } == dict(QWEN2_DEFAULTS)
    assert {name: siglip[name] for name in SIGLIP_DEFAULTS} == dict(SIGLIP_DEFAULTS)
    published = {"model_type": "siglip", "vision_config": {"model_type": "siglip_vision_model"}}
    told = vision_values("config.json", published, trains=True)
    assert told["image_size"] == SMALL.vision.image_size and told["layers"] == SMALL.vision.layers
    diffusers = pytest.importorskip("diffusers", reason="needs the extra `vae`")
    autoencoder = dict(diffusers.AutoencoderKL(block_out_channels=(32,)).config)
    for name, value in AUTOENCODER_DEFAULTS.items():
        if name != "block_out_channels":
            found = autoencoder[name]
            assert (list(found) if isinstance(found, tuple) else found) == value
    with pytest.raises(CheckpointError, match=r"config\.json: block_out_channels must list"):
        autoencoder_values("config.json", {"block_out_channels": []})


QUANTISED = {"quant_method": "awq", "bits": 4}
LAYERS = ["full_attention", "chunked_attention"]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"quantization_config": QUANTISED}, "quantization_config"),
        ({"use_mrope": True}, "use_mrope"),
        ({"attention_dropout": 0.1}, "attention_dropout"),
        ({"model_type": "qwen3"}, "model_type"),
        ({"hidden_act": "xielu"}, "hidden_act"),
        ({"layer_types": LAYERS}, "layer_types"),
        ({"layer_types": ["sliding_attention"] * 2}, "no window"),
        ({"rope_scaling": {"type": "mrope", "mrope_section": [1, 2]}}, "mrope_section"),
        ({"rope_scaling": {"type": "mrope"}}, "rope_type"),
        ({"rope_scaling": {"type": "yarn"}}, "rope_scaling.factor"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "rope_parameters.full_attention"),
        ({"rope_parameters": YARN, "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"rms_norm_eps": "1e-6"}, "norm_eps"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(
    config: ReconVLAConfig, tmp_path: Path, entries: dict[str, Any], said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", **QWEN} | entries))
    with pytest.raises(CheckpointError) as caught:
        with_folders(wanted(config), {"language": tmp_path})
    assert str(caught.value).startswith(str(tmp_path / "config.json")) and said in str(caught.value)


@pytest.mark.parametrize("value", [None, False, {}, []])
def test_an_entry_that_nobody_knows_may_be_off(config: ReconVLAConfig, tmp_path: Path, value: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", **QWEN, "use_mrope": value}))
    with_folders(wanted(config), {"language": tmp_path})


@pytest.mark.parametrize(
    ("name", "entries", "said"),
    [
        ("config.json", {"num_channels": 1}, "num_channels is 1"),
        ("config.json", {"attention_dropout": 0.1}, "attention_dropout is 0.1"),
        ("config.json", {"model_type": "clip_vision_model"}, "model_type is 'clip_vision_model'"),
        ("config.json", {"use_rope": True}, "use_rope is True"),
        ("preprocessor_config.json", {"size": {"height": 64, "width": 64}}, "size is"),
        ("preprocessor_config.json", {"do_resize": False}, "do_resize is False"),
        ("preprocessor_config.json", {"do_center_crop": True}, "do_center_crop is True"),
        ("preprocessor_config.json", {"resample": 9}, "resample is 9"),
        ("preprocessor_config.json", {"image_std": [0.5]}, "image_std must be three numbers"),
        ("preprocessor_config.json", {"image_processor_type": "CLIPImageProcessor"}, "image_processor_type is"),
    ],
)  # fmt: skip
def test_what_a_tower_cannot_be_is_refused_by_name(
    config: ReconVLAConfig, tmp_path: Path, name: str, entries: dict[str, Any], said: str
) -> None:
    values = {"config.json": {"model_type": "siglip_vision_model", **SIGLIP}, "preprocessor_config.json": {}}
    values[name] |= entries
    for file, about in values.items():
        (tmp_path / file).write_text(json.dumps(about))
    with pytest.raises(CheckpointError) as caught:
        with_folders(wanted(config), {"vision": tmp_path})
    assert str(caught.value).startswith(f"{tmp_path / name}: {said}")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"_class_name": "AsymmetricAutoencoderKL"}, "_class_name is 'AsymmetricAutoencoderKL'"),
        ({"down_block_types": ["AttnDownEncoderBlock2D"]}, "down_block_types is"),
        ({"in_channels": 4}, "in_channels is 4"),
        ({"patch_size": [2, 2]}, "patch_size is [2, 2]"),
    ],
)
def test_what_an_autoencoder_cannot_be_is_refused_by_name(entries: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        autoencoder_values("vae/config.json", {"_class_name": "AutoencoderKL"} | entries)
    assert str(caught.value).startswith(f"vae/config.json: {said}")


def test_dropout_is_no_matter_where_nothing_is_trained() -> None:
    values = {"model_type": "qwen2", "attention_dropout": 0.1}
    assert language_values("config.json", values, trains=False)["hidden"] == 4096


def test_the_users_own_word_against_a_folder_is_a_contradiction(
    config: ReconVLAConfig, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", **QWEN, "rope_theta": 1e4}))
    folders = {"language": tmp_path}
    assert with_folders(wanted(config), folders, {"language": {"rope_theta": 1e4}}).language.rope_theta == 1e4
    with pytest.raises(ConfigError) as caught:
        with_folders(wanted(config), folders, {"language": {"rope_theta": 1e6}})
    assert "model.override.language.rope_theta is 1000000.0" in str(caught.value)
    assert f"{tmp_path / 'config.json'} says rope_theta is 10000.0" in str(caught.value)


def test_a_checkpoint_says_it_for_its_parts_and_gives_way_to_theirs(
    config: ReconVLAConfig, tmp_path: Path
) -> None:
    made = dataclasses.replace(
        wanted(config, rope_theta=7e4, norm_eps=1e-3),
        latents=dataclasses.replace(config.latents, scale=0.7),
        denoiser=dataclasses.replace(config.denoiser, heads=2),  # type: ignore[type-var]
    )
    ReconVLA(made, 0).save_pretrained(tmp_path / "whole")
    taken = assemble(wanted(config), 0, {"checkpoint": tmp_path / "whole"})
    assert taken.config == made
    (tmp_path / "qwen").mkdir()
    (tmp_path / "qwen/config.json").write_text(json.dumps({"model_type": "qwen2", **QWEN, "rope_theta": 1e4}))
    both = with_folders(wanted(config), {"checkpoint": tmp_path / "whole", "language": tmp_path / "qwen"})
    assert (both.language.rope_theta, both.language.norm_eps, both.latents.scale) == (1e4, 1e-6, 0.7)


@pytest.mark.parametrize("layout", [False, True], ids=["ours", "official"])
def test_saved_and_loaded_it_is_all_there(config: ReconVLAConfig, tmp_path: Path, layout: bool) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    (tmp_path / "qwen").mkdir()
    window = {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}
    rope = {"rope_parameters": {"rope_theta": 1e4, **YARN}}
    about = {"model_type": "qwen2", **QWEN, **window, **rope, "rms_norm_eps": 1e-4, "hidden_act": "gelu"}
    (tmp_path / "qwen/config.json").write_text(json.dumps(about))
    (tmp_path / "qwen/generation_config.json").write_text(
        '{"repetition_penalty": 1.2, "bad_words_ids": [[3]]}'
    )
    shape = AutoencoderConfig((8, 8, 8), 1, 4, True, act_fn="gelu", quant_conv=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape)
    whole = dataclasses.replace(
        with_folders(wanted(config), {"language": tmp_path / "qwen"}), latents=latents
    )
    assert whole.generation is not None and whole.language.rope_scaling is not None
    model = ReconVLA(whole, 0)
    model.save_pretrained(tmp_path / "saved", official_layout=layout)
    again = ReconVLA.from_pretrained(tmp_path / "saved")
    assert again.config == whole
    assert torch.equal(again.language_model.eval()(IDS).logits, model.language_model.eval()(IDS).logits)


def test_what_is_at_its_default_is_not_written() -> None:
    """So that keys and checkpoints are those of the time before there were these fields."""
    for size in ("toy", "small", "7b"):
        values = config_of_size(size, 600 if size == "toy" else None).to_dict()
        assert "generation" not in values
        assert set(values["vision"]) == {
            "image_size", "patch_size", "width", "layers", "heads", "mlp_width", "pooling_head", "frozen"
        }  # fmt: skip
        assert not {"norm_eps", "rope_scaling", "sliding_window", "head_width"} & set(values["language"])
        assert ReconVLAConfig.from_dict(values).to_dict() == values
