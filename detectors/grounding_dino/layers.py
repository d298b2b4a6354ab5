"""Layers of a GroundingDINO of transformers as they are computed here: nothing is masked, and what is multiplied with
the same input is one product.

N pictures, S places of all feature maps, Q queries, T words, C width, H heads, L levels, P points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Joined:
    """Several linear layers of one input as one."""

    def __init__(self, *layers: nn.Linear) -> None:
        self._sizes = [layer.out_features for layer in layers]
        self._weight = torch.cat([layer.weight.detach() for layer in layers])
        self._bias = torch.cat([layer.bias.detach() for layer in layers])

    def __call__(self, given: torch.Tensor) -> Sequence[torch.Tensor]:
        """(N, Q, outputs) of each layer, of (N, Q, inputs)."""
        return functional.linear(given, self._weight, self._bias).split(self._sizes, -1)

    def transposed(self, given: torch.Tensor) -> Sequence[torch.Tensor]:
        """(N, outputs, Q) of each layer, of (N, Q, inputs)."""
        weight = self._weight.expand(len(given), -1, -1)
        return torch.baddbmm(self._bias[:, None], weight, given.mT).split(self._sizes, 1)


class Fusion:
    """What is seen is told of the words, and they of it."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._attention = layer, layer.attn
        self._of_seen = Joined(layer.attn.vision_proj, layer.attn.values_vision_proj)
        self._of_text = Joined(layer.attn.text_proj, layer.attn.values_text_proj)

    def __call__(self, seen: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, S, C) and (N, T, C), of the same."""
        layer, attention = self._layer, self._attention
        seen, text = layer.layer_norm_vision(seen), layer.layer_norm_text(text)
        size = attention.num_heads, attention.head_dim
        queries, values = (_heads(part, size) for part in self._of_seen(seen))  # (N, H, S, C / H)
        keys, told = (_heads(part, size) for part in self._of_text(text))  # (N, H, T, C / H)
        match = (keys * attention.scale) @ queries.mT  # (N, H, T, S)
        to_text = (match.softmax(-1) @ values).transpose(1, 2).flatten(2)
        to_seen = (match.softmax(-2).mT @ told).transpose(1, 2).flatten(2)
        seen = torch.addcmul(seen, layer.vision_param, attention.out_vision_proj(to_seen))
        text = torch.addcmul(text, layer.text_param, attention.out_text_proj(to_text))
        return seen, text


class SelfAttention:
    """Among those who ask, where each knows its own position."""

    def __init__(self, attention: Any) -> None:
        self._attention = attention
        self._size = attention.num_attention_heads, attention.attention_head_size
        self._asked = Joined(attention.query, attention.key)

    def __call__(
        self, state: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(N, Q, C) of (N, Q, C). mask: (1, Q, Q), added."""
        queries, keys = (_heads(part, self._size) for part in self._asked(state + positions))
        values = _heads(self._attention.value(state), self._size)
        return _attended(self._attention, queries, keys, values, mask)


class TextAttention:
    """To the words of a phrase."""

    def __init__(self, attention: Any) -> None:
        self._attention = attention
        self._size = attention.num_attention_heads, attention.attention_head_size
        self._told = Joined(attention.key, attention.value)

    def __call__(self, asked: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """(N, Q, C) of (N, Q, C) and (N, T, C)."""
        keys, values = (_heads(part, self._size) for part in self._told(text))
        return _attended(self._attention, _heads(self._attention.query(asked), self._size), keys, values)


class PointAttention:
    """To what is seen at some points around each query (deformable attention, Zhu et al. 2021). All is computed with
    the queries last, which are many."""

    def __init__(self, attention: Any) -> None:
        self.points = attention.n_points
        self._shape = attention.n_heads, attention.n_levels, attention.n_points
        self._seen = Joined(attention.value_proj)
        self._asked = Joined(attention.sampling_offsets, attention.attention_weights)
        self._out = attention.output_proj

    def __call__(
        self,
        asked: torch.Tensor,
        seen: torch.Tensor,
        shapes: Sequence[tuple[int, int]],
        centres: torch.Tensor,
        reach: torch.Tensor,
    ) -> torch.Tensor:
        """(N, Q, C) of (N, Q, C) and (N, S, C). shapes: (height, width) by level. Points lie at `centres` and offsets
        times `reach`, both from -1 to 1 over the picture, as they broadcast to (N, H, L, P, 2, Q)."""
        heads, levels, points = self._shape
        [values] = self._seen.transposed(seen)  # (N, C, S)
        offsets, weights = self._asked.transposed(asked)
        offsets = offsets.unflatten(1, (heads, levels, points, 2)).float()
        grid = torch.addcmul(centres, offsets, reach).transpose(-2, -1).flatten(0, 1)  # (N H, L, P, Q, 2)
        weights = weights.unflatten(1, (heads, levels * points)).softmax(2)
        weights = weights.flatten(0, 1).unflatten(1, (1, levels, points))
        found: torch.Tensor | None = None
        start = 0
        for level, (height, width) in enumerate(shapes):
            here = values[..., start : start + height * width].unflatten(2, (height, width))
            here = here.unflatten(1, (heads, -1)).flatten(0, 1).float()  # (N H, C / H, height, width)
            start += height * width
            part = functional.grid_sample(here, grid[:, level], align_corners=False)
            part = part.mul_(weights[:, :, level]).sum(2)  # (N H, C / H, Q)
            found = part if found is None else found.add_(part)
        assert found is not None
        told: torch.Tensor = self._out(found.view(len(asked), -1, asked.shape[1]).mT)
        return told


def fed_forward(layer: Any, state: torch.Tensor, norm: nn.Module, activation: Any) -> torch.Tensor:
    """(N, Q, C) of the same: a layer's two linear layers, added and normalised."""
    told: torch.Tensor = norm(state + layer.fc2(activation(layer.fc1(state))))
    return told


@torch.no_grad()
def fold_normalisation(tower: nn.Module) -> bool:
    """Make the batch normalisations of a ResNet a part of the convolutions before them; True where there were some."""
    from transformers.models.resnet.modeling_resnet import ResNetConvLayer, ResNetShortCut

    kinds = ResNetConvLayer, ResNetShortCut
    layers: list[Any] = [one for one in tower.modules() if isinstance(one, kinds)]
    for layer in layers:
        convolution, normalisation = layer.convolution, layer.normalization
        spread = normalisation.running_var + getattr(normalisation, "eps", 1e-5)  # frozen ones have no other
        scale = normalisation.weight * spread.rsqrt()
        convolution.weight = nn.Parameter(convolution.weight * scale[:, None, None, None])
        convolution.bias = nn.Parameter(normalisation.bias - normalisation.running_mean * scale)
        layer.normalization = nn.Identity()
    return bool(layers)


def _attended(
    attention: Any,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    found = functional.scaled_dot_product_attention(
        queries, keys, values, None if mask is None else mask[:, None].to(queries.dtype)
    )
    told: torch.Tensor = attention.out_proj(found.transpose(1, 2).flatten(2))
    return told


def _heads(projected: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N, H, Q, C / H) of (N, Q, C)."""
    return projected.unflatten(2, size).transpose(1, 2)
