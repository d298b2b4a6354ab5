"""Where the model looks when it acts: attention of action tokens on the image, and how it meets the gaze."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.models.qwen2.modeling_qwen2 import rotate_half

from errors import InvalidInput
from models.action_tokenizer import FloatArray, IdArray
from models.batches import Batch
from models.finite import check_finite
from models.generation import prompt_batch
from models.images import CANVAS, STATIC_ROWS, Picture
from models.prompt import IMAGE_PLACEHOLDER
from models.reconvla import ReconVLA


@torch.inference_mode()
def action_attention(
    model: ReconVLA,
    images: Sequence[Picture],
    prompts: Sequence[IdArray],
    token_ids: IdArray,
    crops: Sequence[Picture | None] | None = None,
    layer: int = -1,
    heads: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Attention (B, answer tokens, grid, grid) of one layer (the last), averaged over `heads` (all of them).

    `token_ids` (B, answer tokens) are the answers, e.g. `ActionChunks.token_ids`. Row k is the query that
    predicts token k: the one whose attention a step of generation reports. Each map sums to what goes to the
    image, at most 1. Raises InvalidInput for a prompt without an image, or a layer or head there is not, and
    NotFinite as `attention_rows` does.
    """
    full = [np.concatenate([prompt, ids[:-1]]) for prompt, ids in zip(prompts, token_ids, strict=True)]
    batch = prompt_batch(model, images, full, crops=crops)
    at_image = batch.input_ids == IMAGE_PLACEHOLDER
    if not bool(at_image.any(dim=1).all()):
        raise InvalidInput("attention maps need an image in every prompt")
    count = token_ids.shape[1]
    first = batch.attention_mask.sum(dim=1) - count  # (B,) position of the last prompt token
    queries = first[:, None] + torch.arange(count, device=first.device)
    weights = attention_rows(model, batch, queries, layer, heads)  # (B, count, L)
    grid = model.config.vision.grid
    maps = torch.stack([row[:, mask] for row, mask in zip(weights, at_image)])
    return maps.unflatten(-1, (grid, grid)).float().cpu().numpy()


@torch.inference_mode()
def attention_rows(
    model: ReconVLA, batch: Batch, queries: Tensor, layer: int = -1, heads: Sequence[int] | None = None
) -> Tensor:
    """Attention of the positions `queries` (B, Q) in one layer, averaged over heads: (B, Q, L), float32.

    Every layer runs with its fused kernel, which returns no weights; those of the wanted rows are computed
    beside it. So the memory grows with Q x L and not with L x L (but for the library's mask of positions, a
    few bytes each whatever the heads and layers, which a padded batch needs anyway). Raises NotFinite where
    weights are NaN or infinite, as products in fp16 can make them though the fused kernel does not.
    """
    module = _attention_module(model, layer)
    chosen = _heads(model, heads)
    kept: list[Tensor] = []

    def keep(module: Any, inputs: Any, named: dict[str, Any]) -> None:
        states = named["hidden_states"] if "hidden_states" in named else inputs[0]
        kept.append(_rows(module, states, named["position_embeddings"], queries, chosen))

    hook = module.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        model.hidden_states(batch.input_ids, batch.attention_mask, batch.images, batch.crops)
    finally:
        hook.remove()
    check_finite(model, kept[0], f"attention weights of layer {layer}")
    return kept[0]


def _rows(
    module: Any, states: Tensor, rotary: tuple[Tensor, Tensor], queries: Tensor, heads: Sequence[int]
) -> Tensor:
    """softmax(q k) of Qwen2's attention for the rows `queries`, averaged over `heads`.

    Rows are padded on the right, so the causal mask alone hides padding from every position that counts.
    """
    size, groups = module.head_dim, module.num_key_value_groups
    cos, sin = (table.expand(len(states), -1, -1) for table in rotary)  # (B, L, size)
    at = queries[..., None]
    asked = states.gather(1, at.expand(-1, -1, states.shape[-1]))  # (B, Q, hidden)
    q = module.q_proj(asked).unflatten(-1, (-1, size)).transpose(1, 2)  # (B, heads, Q, size)
    k = module.k_proj(states).unflatten(-1, (-1, size)).transpose(1, 2)  # (B, key heads, L, size)
    row_cos, row_sin = (table.gather(1, at.expand(-1, -1, size))[:, None] for table in (cos, sin))
    q = q * row_cos + rotate_half(q) * row_sin
    k = k * cos[:, None] + rotate_half(k) * sin[:, None]
    distance = at - torch.arange(states.shape[1], device=states.device)  # (B, Q, L)
    hidden = distance < 0
    if module.sliding_window is not None:
        hidden |= distance >= module.sliding_window
    total = torch.zeros(hidden.shape, dtype=torch.float32, device=states.device)
    for head in heads:
        scores = (q[:, head] @ k[:, head // groups].transpose(1, 2) * module.scaling).float()
        total += scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    return total / len(heads)


def _attention_module(model: ReconVLA, layer: int) -> Any:
    layers = model.language_model.model.layers
    if not -len(layers) <= layer < len(layers):
        raise InvalidInput(f"layer {layer}: the model has {len(layers)} layers (-1 is the last)")
    return layers[layer].self_attn


def _heads(model: ReconVLA, heads: Sequence[int] | None) -> list[int]:
    count = model.language_model.config.num_attention_heads
    chosen = list(range(count)) if heads is None else list(heads)
    wrong = [head for head in chosen if not 0 <= head < count]
    if wrong or not chosen:
        raise InvalidInput(f"heads {chosen}: the model has heads 0 to {count - 1}")
    return chosen


def gaze_coverage(
    box: Sequence[float], frame_size: tuple[int, int], image_size: int, patch_size: int
) -> FloatArray:
    """Share of each patch (grid, grid) of the composed image that a box in the static picture covers.

    `box` is (x0, y0, x1, y1) in px, x1 and y1 exclusive; `frame_size` is the picture's (width, height).
    """
    x0, y0, x1, y1 = box
    width, height = frame_size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InvalidInput(f"box {tuple(box)} is empty or leaves the picture of {width} x {height} px")
    grid = image_size // patch_size
    rows_per_px = STATIC_ROWS / CANVAS * image_size / patch_size / height
    columns_per_px = image_size / patch_size / width
    rows = _overlap(y0 * rows_per_px, y1 * rows_per_px, grid)
    columns = _overlap(x0 * columns_per_px, x1 * columns_per_px, grid)
    return np.outer(rows, columns)


def mass_in_gaze(attention: NDArray[np.floating], coverage: FloatArray) -> float:
    """Share of the image's attention (grid, grid) on the gaze region, patches weighed by their coverage."""
    return float((attention * coverage).sum() / attention.sum())


def points_at_gaze(attention: NDArray[np.floating], coverage: FloatArray) -> bool:
    """Whether the most attended patch touches the gaze region (the pointing game, arXiv 1608.00507)."""
    return bool(coverage.reshape(-1)[int(np.argmax(attention))] > 0)


def entropy_bits(attention: NDArray[np.floating]) -> float:
    """Shannon entropy of a map scaled to sum 1: 0 for one patch, log2 of the patches for all alike."""
    shares = (attention / attention.sum()).reshape(-1)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def static_coverage(grid: int, image_size: int, patch_size: int) -> FloatArray:
    """Share of each patch (grid, grid) that shows the static camera; the rest shows the one at the gripper."""
    rows = _overlap(0.0, STATIC_ROWS / CANVAS * image_size / patch_size, grid)
    return np.outer(rows, np.ones(grid))


def centre_prior(grid: int, image_size: int, patch_size: int) -> FloatArray:
    """A map (grid, grid) that looks at nothing: a Gaussian in the middle of the static picture.

    Its standard deviations are a quarter of the picture's sides. People's gaze and cameramen's aim are biased
    to the middle, so a model that attends to its target must do better (Tatler, Journal of Vision 7(14), 2007).
    """
    height = STATIC_ROWS / CANVAS * image_size / patch_size
    centres = np.arange(grid) + 0.5
    rows = np.exp(-0.5 * ((centres - height / 2) / (height / 4)) ** 2)
    columns = np.exp(-0.5 * ((centres - grid / 2) / (grid / 4)) ** 2)
    return np.outer(rows, columns) * static_coverage(grid, image_size, patch_size)


def composed_box(
    box: Sequence[float], frame_size: tuple[int, int], image_size: int
) -> tuple[float, float, float, float]:
    """A box in the static picture as px of the composed image (image_size, image_size)."""
    x0, y0, x1, y1 = box
    width, height = frame_size
    across, down = image_size / width, STATIC_ROWS / CANVAS * image_size / height
    return x0 * across, y0 * down, x1 * across, y1 * down


def _overlap(start: float, stop: float, cells: int) -> FloatArray:
    edges = np.arange(cells + 1)
    return np.clip(np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1]), 0.0, 1.0)
