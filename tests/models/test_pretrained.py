"""Pretrained parts from folders that transformers and diffusers wrote."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.config import AutoencoderConfig, LatentConfig, ReconVLAConfig
from models.pretrained import load_autoencoder, load_language_model, load_vision_tower
from models.reconvla import ReconVLA, build_language_model, build_vision_tower


def test_vision_tower(model: ReconVLA, tmp_path: Path) -> None:
    other = build_vision_tower(dataclasses.replace(model.config.vision, pooling_head=True))
    other.save_pretrained(tmp_path)
    load_vision_tower(model, tmp_path)
    theirs = other.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.vision_tower.state_dict().items())


def test_vision_half_of_a_whole_siglip(model: ReconVLA, tmp_path: Path) -> None:
    other = build_vision_tower(model.config.vision).state_dict()
    whole = {f"vision_model.{name}": tensor for name, tensor in other.items()}
    save_file(
        {**whole, "text_model.x": torch.ones(1), "logit_scale": torch.ones(1)}, tmp_path / "model.safetensors"
    )
    load_vision_tower(model, tmp_path)
    assert all(torch.equal(tensor, other[name]) for name, tensor in model.vision_tower.state_dict().items())


@pytest.mark.parametrize("tied", [True, False])
def test_language_model(config: ReconVLAConfig, tied: bool, tmp_path: Path) -> None:
    language = dataclasses.replace(config.language, tied_embeddings=tied)
    model = ReconVLA.initialise(dataclasses.replace(config, language=language), 0)
    other = build_language_model(language)
    other.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    load_language_model(model, tmp_path)
    theirs = other.state_dict()
    assert all(
        torch.equal(tensor, theirs[name]) for name, tensor in model.language_model.state_dict().items()
    )


def test_autoencoder(config: ReconVLAConfig, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape)
    whole = dataclasses.replace(config, latents=latents)
    model, other = ReconVLA.initialise(whole, 0), ReconVLA.initialise(whole, 1)
    other.latents.autoencoder.save_pretrained(tmp_path)
    load_autoencoder(model, tmp_path)
    theirs = other.latents.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.latents.state_dict().items())


def test_what_is_missing_or_does_not_fit(model: ReconVLA, tmp_path: Path) -> None:
    for load in (load_vision_tower, load_language_model):
        with pytest.raises(WeightsMissing, match="copy its model"):
            load(model, tmp_path)
    with pytest.raises(InvalidInput, match="without an autoencoder"):
        load_autoencoder(model, tmp_path)
    build_language_model(dataclasses.replace(model.config.language, hidden=64)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"the model needs"):
        load_language_model(model, tmp_path)
