"""DiT that denoises the gaze region's latents (Peebles and Xie 2022, arXiv 2212.09748).

Conditioned per token: each latent cell is modulated by the language model's state at the same image position.
Parameters carry the names of the official `mm_inv_projector.net`, so its checkpoints load. Runs in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.part_configs import DenoiserConfig


def sincos_position_embedding(width: int, grid: int) -> Tensor:
    """Fixed 2-D code (grid * grid, width), row-major: columns in the first half, rows in the second."""
    frequencies = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * frequencies
    code = torch.cat([angles.sin(), angles.cos()], dim=1)  # (grid, width / 2)
    return torch.cat([code.repeat(grid, 1), code.repeat_interleave(grid, dim=0)], dim=1).float()


class TimestepEmbedder(nn.Module):
    """Timesteps (B,) to (B, width) through 256 sinusoids, cosines first (GLIDE, arXiv 2112.10741)."""

    def __init__(self, width: int, sinusoids: int = 256) -> None:
        super().__init__()
        self.frequencies = sinusoids // 2
        self.mlp = nn.Sequential(nn.Linear(sinusoids, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timesteps: Tensor) -> Tensor:
        count, device = self.frequencies, timesteps.device
        exponents = torch.arange(count, dtype=torch.float32, device=device) / count
        angles = timesteps[:, None].float() * torch.exp(-math.log(10000) * exponents)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))


class PatchEmbedder(nn.Module):
    """Latents (B, C, grid, grid) to tokens (B, grid * grid, width)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, kernel_size=1)

    def forward(self, latents: Tensor) -> Tensor:
        return self.proj(latents).flatten(2).transpose(1, 2)


class SelfAttention(nn.Module):
    """Unmasked multi-head attention over (B, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without parameters, then shift and scale chosen by the condition; all (B, T, D)."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class DiTBlock(nn.Module):
    """Attention and feed-forward, both gated by the condition (adaLN-Zero)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = SelfAttention(width, heads)
        self.mlp = FeedForward(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition).chunk(6, dim=-1)
        x = x + gate1 * self.attn(_modulated(x, shift1, scale1))
        return x + gate2 * self.mlp(_modulated(x, shift2, scale2))


class FinalLayer(nn.Module):
    """Modulated projection (B, T, D) to (B, T, channels)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=-1)
        return self.linear(_modulated(x, shift, scale))


class Denoiser(nn.Module):
    """Predicts the noise in a grid of latents from the language model's image states."""

    pos_embed: Tensor

    def __init__(self, config: DenoiserConfig, grid: int, channels: int, condition_width: int) -> None:
        super().__init__()
        self.grid = grid
        self.x_embedder = PatchEmbedder(channels, config.width)
        self.t_embedder = TimestepEmbedder(config.width)
        self.z_embedder = nn.Sequential(nn.SiLU(), nn.Linear(condition_width, config.width))
        self.register_buffer("pos_embed", sincos_position_embedding(config.width, grid)[None])
        self.blocks = nn.ModuleList(DiTBlock(config.width, config.heads) for _ in range(config.depth))
        self.final_layer = FinalLayer(config.width, channels)
        self._initialise()

    def embed_states(self, states: Tensor) -> Tensor:
        """Condition (B, T, D) from image states (B, T, hidden), layer-normalised without parameters."""
        return self.z_embedder(F.layer_norm(states, states.shape[-1:]))

    def forward(self, latents: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """Noise in `latents` (B, C, grid, grid) at `timesteps` (B,), given the output of `embed_states`."""
        x = self.x_embedder(latents) + self.pos_embed  # (B, T, D)
        condition = self.t_embedder(timesteps)[:, None] + condition  # (B, T, D)
        for block in self.blocks:
            x = block(x, condition)
        x = self.final_layer(x, condition)  # (B, T, C)
        return x.transpose(1, 2).unflatten(2, (self.grid, self.grid))

    def _initialise(self) -> None:
        """Xavier linears, small embedders, zero gates and output: every block starts as the identity."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1))
        nn.init.zeros_(self.get_parameter("x_embedder.proj.bias"))
        for name in ("z_embedder.1", "t_embedder.mlp.0", "t_embedder.mlp.2"):
            nn.init.normal_(self.get_parameter(f"{name}.weight"), std=0.02)
        for name, parameter in self.named_parameters():
            if "adaLN_modulation" in name or "final_layer" in name:
                nn.init.zeros_(parameter)
