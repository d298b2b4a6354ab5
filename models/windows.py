"""Attention with a key-value cache, also for language models whose layers look back over a window only.

Between a prompt and its answer the cache keeps the prompt's padding, so a window is counted in positions, not in places
of the cache; and no place is thrown away, as transformers' own cache of such layers would.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from models.part_configs import FULL, SLIDING
from models.reconvla import ReconVLA


def cache_of(model: ReconVLA) -> DynamicCache:
    """An empty cache for the language model."""
    windowed = model.config.language.sliding_window is not None
    return DynamicCache() if windowed else DynamicCache(config=model.language_model.config)


def cached_mask(model: ReconVLA, mask: Tensor, padded: bool, asking: Tensor | None = None) -> Any:
    """What Qwen2's `attention_mask` takes; None where there is no padding and no window.

    mask: (B, places of the cache) which hold a token; padded: whether some hold none. asking: (B,) the position of the
    one token that is asked for, whose place is the last; None: all of a prompt are.
    """
    window = model.config.language.sliding_window
    if window is None:
        return mask if padded else None
    positions = mask.cumsum(dim=1) - 1  # (B, places)
    queries = positions if asking is None else asking[:, None]
    distance = queries[:, :, None] - positions[:, None, :]  # (B, queries, places)
    seen = mask[:, None, :] & (distance >= 0)
    seen |= torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device) if asking is None else False
    return {FULL: seen[:, None], SLIDING: (seen & (distance < window))[:, None]}
