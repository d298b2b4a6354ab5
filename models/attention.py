"""Where the model looks when it acts: attention of action tokens on the image, and how it meets the gaze."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from errors import InvalidInput
from models.action_tokenizer import FloatArray, IdArray
from models.batches import Batch
from models.generation import prompt_batch
from models.images import CANVAS, STATIC_ROWS, Picture
from models.prompt import IMAGE_PLACEHOLDER
from models.reconvla import ReconVLA


@torch.inference_mode()
def action_attention(
    model: ReconVLA, images: Sequence[Picture], prompts: Sequence[IdArray], token_ids: IdArray
) -> NDArray[np.float32]:
    """Attention (B, action tokens, grid, grid) of the last layer, averaged over its heads.

    `token_ids` (B, action tokens) are the answers, e.g. `ActionChunks.token_ids`. Row k is the query that
    predicts token k: the one whose attention a step of generation reports. Each map sums to what goes to the
    image, at most 1. Raises InvalidInput for a prompt without an image.
    """
    full = [np.concatenate([prompt, ids[:-1]]) for prompt, ids in zip(prompts, token_ids, strict=True)]
    batch = prompt_batch(model, images, full)
    at_image = batch.input_ids == IMAGE_PLACEHOLDER
    if not bool(at_image.any(dim=1).all()):
        raise InvalidInput("attention maps need an image in every prompt")
    count = token_ids.shape[1]
    first = batch.attention_mask.sum(dim=1) - count  # (B,) position of the last prompt token
    queries = first[:, None] + torch.arange(count, device=first.device)
    weights = last_layer_attention(model, batch, queries)  # (B, count, L)
    grid = model.config.vision.grid
    maps = torch.stack([row[:, mask] for row, mask in zip(weights, at_image)])
    return maps.unflatten(-1, (grid, grid)).float().cpu().numpy()


@torch.inference_mode()
def last_layer_attention(model: ReconVLA, batch: Batch, queries: Tensor) -> Tensor:
    """Last-layer attention of the positions `queries` (B, Q), averaged over heads: (B, Q, L)."""
    kept: list[Tensor] = []

    def keep(module: Any, inputs: Any, outputs: Any) -> None:
        weights = outputs[1]  # (B, heads, L, L)
        rows = queries[:, None, :, None].expand(-1, weights.shape[1], -1, weights.shape[3])
        kept.append(weights.gather(2, rows).mean(dim=1))

    last = model.language_model.model.layers[-1].self_attn
    hook = last.register_forward_hook(keep)
    try:
        with _explicit_attention(model.language_model):
            model.hidden_states(batch.input_ids, batch.attention_mask, batch.images)
    finally:
        hook.remove()
    return kept[0]


@contextmanager
def _explicit_attention(language_model: Any) -> Iterator[None]:
    """Attention that returns its weights; the fused kernel does not. Each layer's are freed at once."""
    before = language_model.config._attn_implementation
    language_model.set_attn_implementation("eager")
    try:
        yield
    finally:
        language_model.set_attn_implementation(before)


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


def _overlap(start: float, stop: float, cells: int) -> FloatArray:
    edges = np.arange(cells + 1)
    return np.clip(np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1]), 0.0, 1.0)
