"""Latent encoders."""

import sys

import pytest
import torch

from errors import EnvironmentLacks
from models.latents import build_latent_encoder, cosine_basis
from models.part_configs import AutoencoderConfig, LatentConfig


@pytest.mark.parametrize(("cell", "channels"), [(6, 3), (4, 12), (4, 48)])
def test_basis_is_orthonormal(cell: int, channels: int) -> None:
    flat = cosine_basis(cell, channels).flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(channels), atol=1e-6, rtol=0)


def test_the_complete_basis_loses_nothing() -> None:
    encoder = build_latent_encoder(LatentConfig(48, 4, scale=0.4, shift=0.1, autoencoder=None), image_size=32)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    latents = encoder.encode(images, None)
    assert latents.shape == (2, 192, 4, 4)
    torch.testing.assert_close(encoder.decode(latents), images, atol=1e-5, rtol=0)


def test_three_channels_keep_the_mean_colours() -> None:
    encoder = build_latent_encoder(LatentConfig(3, 4, scale=0.4, shift=0.0, autoencoder=None), image_size=32)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    means = torch.nn.functional.avg_pool2d(images, 4)
    decoded = encoder.decode(encoder.encode(images, None))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(decoded, 4), means, atol=1e-5, rtol=0)


def test_latents_belong_to_their_patch() -> None:
    encoder = build_latent_encoder(LatentConfig(3, 4, scale=0.4, shift=0.0, autoencoder=None), image_size=32)
    images = torch.zeros(1, 3, 32, 32)
    images[:, :, 8:16, 24:32] = 1.0  # the patch in row 1, column 3
    assert torch.nonzero(encoder.encode(images, None)[0].abs().sum(dim=0)).tolist() == [[1, 3]]


def test_targets_of_another_size_are_resized() -> None:
    encoder = build_latent_encoder(LatentConfig(3, 4, scale=0.4, shift=0.0, autoencoder=None), image_size=32)
    assert encoder.encode(torch.zeros(1, 3, 50, 50), None).shape == (1, 12, 4, 4)


KL = LatentConfig(
    channels=4, cell=8, scale=0.5, shift=0.1,
    autoencoder=AutoencoderConfig((8, 8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=False),
)  # fmt: skip


def test_autoencoder_noise_moves_the_latents() -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    encoder = build_latent_encoder(KL, image_size=64)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    noise = torch.randn(2, 4, 8, 8)
    drawn = encoder.encode(images, noise)
    assert drawn.shape == (2, 16, 4, 4)
    assert torch.equal(drawn, encoder.encode(images, noise))
    assert not torch.equal(drawn, encoder.encode(images, -noise))
    assert encoder.decode(drawn).shape == images.shape


def test_without_diffusers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(EnvironmentLacks, match=r"needs the package diffusers: .* install 'diffusers>="):
        build_latent_encoder(KL, image_size=64)
