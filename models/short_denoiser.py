"""The denoiser's losses in few operations (`models.short_training`): cells as rows of products, all repeats as one
batch, every modulation by one product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.batches import Draws
from models.denoiser import Denoiser
from models.diffusion import add_noise
from models.reconvla import ReconVLA
from models.short_functions import Block, Heads, attended


def reconstruction_losses(model: ReconVLA, states: Tensor, targets: Tensor, draws: Draws) -> Tensor:
    """Denoising error per sample (B,), averaged over repeats, of states (B, patches, hidden); as
    `ReconVLA.reconstruction_losses`."""
    assert model.denoiser is not None and model.latents is not None
    clean = model.latents.encode(targets, draws.latent_noise).flatten(2).transpose(1, 2)  # (B, T, C)
    repeats = len(draws.timesteps) // len(states)
    noise = draws.noise.flatten(2).transpose(1, 2).contiguous()  # (R * B, T, C)
    noisy = add_noise(model.schedule, clean.repeat(repeats, 1, 1), draws.timesteps, noise)
    predicted = _predicted(model.denoiser, noisy, draws.timesteps, states)
    losses = (noise - predicted).square().flatten(1).mean(dim=1)
    return losses.unflatten(0, (repeats, -1)).mean(dim=0)


def _predicted(denoiser: Denoiser, noisy: Tensor, timesteps: Tensor, states: Tensor) -> Tensor:
    """Noise (R * B, T, C) in `noisy` at `timesteps` (R * B,), given states (B, T, hidden)."""
    copies, cells, _ = noisy.shape
    width, embedder = denoiser.pos_embed.shape[-1], denoiser.x_embedder.proj
    x = (F.linear(noisy, embedder.weight.flatten(1), embedder.bias) + denoiser.pos_embed).flatten(0, 1)
    at_times = denoiser.t_embedder(timesteps).view(-1, len(states), 1, width)
    condition = F.silu(at_times + denoiser.embed_states(states)).view(-1, width)
    blocks: list[Any] = list(denoiser.blocks)
    final: Any = denoiser.final_layer
    layers = [block.adaLN_modulation[1] for block in blocks] + [final.adaLN_modulation[1]]
    weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
    # One is added to every scale: shift, scale, gate, shift, scale, gate of a block, shift and scale at the end.
    scales = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0] * len(blocks) + [0.0, 1.0]
    chosen = F.linear(condition, weight, bias + torch.tensor(scales).repeat_interleave(width))
    parts = list(chosen.chunk(len(scales), dim=-1))
    for number, block in enumerate(blocks):
        shift1, scale1, gate1, shift2, scale2, gate2 = parts[6 * number : 6 * number + 6]
        attention, mlp = block.attn, block.mlp
        count, scale = attention.heads, (width // attention.heads) ** -0.5
        heads = Heads(copies, count, count, [Block(0, cells, cells)], scale)
        mixed = attended(None, attention.qkv(_modulated(x, shift1, scale1)), heads)
        x = torch.addcmul(x, gate1, attention.proj(mixed))
        x = torch.addcmul(x, gate2, mlp(_modulated(x, shift2, scale2)))
    return final.linear(_modulated(x, *parts[-2:])).unflatten(0, (copies, cells))


def _modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """The scale has its one."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=1e-6), scale)
