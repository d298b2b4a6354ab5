"""Whether a row of a batch gets the same bits wherever it stands and whatever stands beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.batches import Batch
from models.reconvla import ReconVLA
from models.windows import cache_of, cached_mask


@torch.inference_mode()
def rows_are_independent(model: ReconVLA, batch: Batch) -> bool:
    """Move every row of `batch` (padded, rows that differ) one place on and compare all states, bit by bit.

    A matrix product may sum its last rows in another order than the others, and does so by shape, processor
    and thread count, not by value: what holds for one batch holds for all of its shape.
    """
    here = _states(model, batch.input_ids, batch.attention_mask, batch.images)
    moved = _states(
        model, batch.input_ids.roll(1, 0), batch.attention_mask.roll(1, 0), batch.images.roll(1, 0)
    )
    return all(torch.equal(state.roll(1, 0), other) for state, other in zip(here, moved))


def _states(model: ReconVLA, input_ids: Tensor, mask: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Last states of the prompts, padding set to 0: (B, L, hidden), and of one token more: (B, 1, hidden)."""
    cache = cache_of(model)
    prompts = model.language_model.model(
        inputs_embeds=model.embed(input_ids, images),
        attention_mask=cached_mask(model, mask, True),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    lengths = mask.sum(dim=1)  # (B,)
    following = model.language_model.model(
        input_ids=input_ids[torch.arange(len(mask), device=mask.device), lengths - 1][:, None],
        attention_mask=cached_mask(
            model, torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1), True, lengths
        ),
        position_ids=lengths[:, None],
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return prompts * mask[..., None], following
