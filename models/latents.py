"""What the gaze region is reconstructed as: latents of the target image on the grid of the vision patches.

Both encoders share the official arrangement: (z - shift) * scale, then every 2x2 latents become one cell with
four times the channels, in the order (channel, row, column).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errors import EnvironmentLacks
from models.part_configs import LatentConfig
from settings.installing import pip_install_extra
from settings.quiet_libraries import quiet_libraries


class LatentEncoder(nn.Module):
    """Target images to denoiser latents and back. Never trained."""

    def __init__(self, config: LatentConfig, image_size: int) -> None:
        super().__init__()
        self.config = config
        self.image_size = image_size  # px, side of the resized target

    @torch.no_grad()
    def encode(self, images: Tensor, noise: Tensor | None) -> Tensor:
        """(B, 4C, grid, grid) float32 latents of `images` (B, 3, H, W), normalised to [-1, 1]."""
        size = (self.image_size, self.image_size)
        resized = F.interpolate(
            images.float().clamp(-1.0, 1.0), size=size, mode="bilinear", align_corners=False
        )
        latents = (self._encode(resized, noise) - self.config.shift) * self.config.scale
        return F.pixel_unshuffle(latents, 2)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, 3, size, size) in [-1, 1] from latents (B, 4C, grid, grid)."""
        return self._decode(F.pixel_shuffle(latents, 2) / self.config.scale + self.config.shift).clamp(
            -1.0, 1.0
        )

    def _encode(self, images: Tensor, noise: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _decode(self, latents: Tensor) -> Tensor:
        raise NotImplementedError


class PatchLatents(LatentEncoder):
    """The lowest cosines of each cell: a fixed orthonormal projection that needs no pretrained weights.

    Channel k is colour k % 3 of the k // 3-th two-dimensional DCT-II basis function, by rising frequency;
    three channels are the mean colour of the cell, up to scale.
    """

    basis: Tensor

    def __init__(self, config: LatentConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        self.register_buffer("basis", cosine_basis(config.cell, config.channels))

    def _encode(self, images: Tensor, noise: Tensor | None) -> Tensor:
        return F.conv2d(images, self.basis, stride=self.config.cell)

    def _decode(self, latents: Tensor) -> Tensor:
        return F.conv_transpose2d(latents, self.basis, stride=self.config.cell)


class AutoencoderLatents(LatentEncoder):
    """Latents drawn from the posterior of a diffusers `AutoencoderKL` (FLUX.1's, in the released recipe)."""

    def __init__(self, config: LatentConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        self.autoencoder = _autoencoder(config)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, C, side, side) of the latents of `images` at the encoder's size."""
        distribution = self.autoencoder.encode(images).latent_dist
        return distribution.mean, distribution.logvar

    def _encode(self, images: Tensor, noise: Tensor | None) -> Tensor:
        mean, log_variance = self.posterior(images)
        return mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise

    def _decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents).sample


def build_latent_encoder(config: LatentConfig, image_size: int) -> LatentEncoder:
    """The encoder `config` asks for. Raises EnvironmentLacks when it needs diffusers and there is none."""
    kind = PatchLatents if config.autoencoder is None else AutoencoderLatents
    encoder = kind(config, image_size)
    return encoder.requires_grad_(False)


def cosine_basis(cell: int, channels: int) -> Tensor:
    """(channels, 3, cell, cell) orthonormal filters, lowest spatial frequencies first."""
    positions = (torch.arange(cell, dtype=torch.float64) + 0.5) / cell
    cosines = [
        torch.cos(math.pi * k * positions) * math.sqrt((1 if k == 0 else 2) / cell) for k in range(cell)
    ]
    frequencies = sorted(((i, j) for i in range(cell) for j in range(cell)), key=lambda ij: (sum(ij), ij))
    filters = torch.zeros(channels, 3, cell, cell, dtype=torch.float64)
    for channel in range(channels):
        row, column = frequencies[channel // 3]
        filters[channel, channel % 3] = torch.outer(cosines[row], cosines[column])
    return filters.float()


def _autoencoder(config: LatentConfig) -> Any:
    try:
        quiet_libraries()
        from diffusers import AutoencoderKL
    except ImportError as error:
        raise EnvironmentLacks(
            f"latents.autoencoder needs the package diffusers: {pip_install_extra('vae')}"
        ) from error
    shape = config.autoencoder
    assert shape is not None
    stages = len(shape.block_channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=shape.block_channels,
        layers_per_block=shape.layers_per_block,
        latent_channels=config.channels,
        norm_num_groups=shape.norm_groups,
        act_fn=shape.act_fn,
        scaling_factor=config.scale,
        shift_factor=config.shift,
        use_quant_conv=shape.quant_conv,
        use_post_quant_conv=shape.post_quant_conv,
        mid_block_add_attention=shape.middle_attention,
    )
