"""Names of official checkpoints; values are compared in tests/parity."""

import dataclasses
from pathlib import Path

import pytest
import torch

from errors import CheckpointError
from models.checkpoint import from_pretrained, save_pretrained
from models.config import AutoencoderConfig, LatentConfig, ReconVLAConfig
from models.official import (
    config_from_official,
    load_official,
    name_from_official,
    name_to_official,
    official_weights,
)
from models.reconvla import ReconVLA


@pytest.fixture
def official(config: ReconVLAConfig) -> ReconVLA:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    return ReconVLA.initialise(
        dataclasses.replace(
            config,
            latents=LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape),
            language=dataclasses.replace(config.language, tied_embeddings=False),
        ),
        seed=0,
    )


def test_names_there_and_back(official: ReconVLA) -> None:
    names = list(official.state_dict())
    assert [name_from_official(name_to_official(name)) for name in names] == names
    assert name_to_official("language_model.model.norm.weight") == "model.norm.weight"
    assert name_to_official("denoiser.pos_embed") == "model.mm_inv_projector.net.pos_embed"


def test_weights_there_and_back(official: ReconVLA) -> None:
    other = ReconVLA.initialise(official.config, seed=5)
    load_official(other, official_weights(official), "memory")
    pairs = zip(other.state_dict().values(), official.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_saved_and_loaded_with_autoencoder_and_own_output_layer(official: ReconVLA, tmp_path: Path) -> None:
    save_pretrained(official, tmp_path)
    loaded = from_pretrained(tmp_path).state_dict()
    assert set(loaded) == set(official.state_dict())
    assert all(torch.equal(loaded[name], tensor) for name, tensor in official.state_dict().items())


def test_a_fine_tuned_checkpoint_without_denoiser(official: ReconVLA) -> None:
    """The official fine-tuning drops the denoiser's weights but keeps the autoencoder's."""
    weights = {k: v for k, v in official_weights(official).items() if "mm_inv_projector" not in k}
    bare = ReconVLA.initialise(official.config.without_reconstruction(), seed=5)
    load_official(bare, weights, "memory")
    assert torch.equal(bare.projector[0].weight, official.projector[0].weight)


def test_foreign_names_and_configs() -> None:
    with pytest.raises(CheckpointError, match=r"'optimizer\.step'"):
        name_from_official("optimizer.step")
    with pytest.raises(CheckpointError, match=r"'latents\.basis'"):
        name_to_official("latents.basis")
    with pytest.raises(CheckpointError, match="lacks the entry 'image_size'"):
        config_from_official({}, {}, {}, {}, 1000)
