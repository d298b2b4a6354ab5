"""Configurations: sizes, validation, dictionaries."""

import dataclasses
import json

import pytest
import torch

from errors import ConfigError
from models.config import ReconVLAConfig
from models.reconvla import ReconVLA
from models.sizes import SIZES, config_of_size


@pytest.mark.parametrize("size", SIZES)
def test_dictionary_and_back_through_json(size: str) -> None:
    config = config_of_size(size)
    assert ReconVLAConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    bare = config.without_reconstruction()
    assert bare.denoiser is None
    assert ReconVLAConfig.from_dict(json.loads(json.dumps(bare.to_dict()))) == bare


def test_released_sizes() -> None:
    config = config_of_size("7b")
    assert (config.vision.patches, config.reconstruction_size, config.latent_channels) == (729, 432, 64)
    assert config.action_tokens == 35


def test_toy_grows_to_its_tokenizer_and_others_need_room() -> None:
    assert config_of_size("toy", 300).language.vocab_size == 300
    assert config_of_size("7b", 151_646) == config_of_size("7b")
    with pytest.raises(ConfigError, match=r"language\.vocab_size.*this one has 300"):
        config_of_size("7b", 300)


def test_unknown_size_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"'huge'.*toy, small, 7b"):
        config_of_size("huge")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("vision.heads", {"vision": {"heads": 5}}),
        ("vision.layers", {"vision": {"layers": 1}}),
        ("vision.patch_size", {"vision": {"patch_size": 200}}),
        ("language.heads", {"language": {"heads": 7}}),
        ("language.kv_heads", {"language": {"kv_heads": 3}}),
        ("language.action_vocab_size", {"language": {"action_vocab_size": 256}}),
        ("language.max_positions", {"language": {"max_positions": 100}}),
        ("language.hidden", {"language": {"hidden": "wide"}}),
        ("latents.channels", {"latents": {"channels": 500}}),
        ("denoiser.heads", {"denoiser": {"heads": 5}}),
        ("denoiser.loss_weight", {"denoiser": {"loss_weight": 0}}),
        ("chunk_steps", {"chunk_steps": 0}),
        ("vision.colour", {"vision": {"colour": 1}}),
        ("vision", {"vision": 3}),
    ],
)
def test_errors_name_the_field(field: str, values: dict) -> None:
    whole = config_of_size("toy").to_dict()
    for key, change in values.items():
        whole[key] = {**whole[key], **change} if isinstance(change, dict) else change
    with pytest.raises(ConfigError, match=f"field {field.replace('.', '[.]')}:"):
        ReconVLAConfig.from_dict(whole)


def test_missing_field_is_named() -> None:
    whole = config_of_size("toy").to_dict()
    del whole["language"]["hidden"]
    with pytest.raises(ConfigError, match=r"language\.hidden: is missing"):
        ReconVLAConfig.from_dict(whole)


def parameters_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_can_be_built(size: str) -> None:
    config = config_of_size(size)
    if config.latents.autoencoder is not None:
        pytest.importorskip(
            "diffusers", reason="this size reconstructs an AutoencoderKL's latents (extra `vae`)"
        )
    with torch.device("meta"):
        model = ReconVLA(config)
    frozen = not any(parameter.requires_grad for parameter in model.vision_tower.parameters())
    assert frozen == config.vision.frozen
    assert not any(parameter.requires_grad for parameter in model.latents.parameters())
    if size == "7b":
        # Counts of the released model, by arithmetic on its layer sizes.
        assert parameters_of(model.denoiser) == 63_884_352
        assert parameters_of(model.projector) == 16_980_992


def test_without_reconstruction_nothing_of_it_is_built() -> None:
    model = ReconVLA(dataclasses.replace(config_of_size("toy"), denoiser=None))
    assert model.denoiser is None
    assert model.latents is None
