"""Actions from pictures and prompts: greedy decoding of one chunk, in a batch, with a key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.action_tokenizer import ActionTokenizer, FloatArray, IdArray
from models.batches import Batch, Sample, collate
from models.finite import check_finite_steps
from models.images import Picture
from models.prompt import IGNORED_LABEL
from models.reconvla import ReconVLA
from models.short_decoding import Tries, few_operations, short_tokens
from models.token_choice import TokenChoice
from models.windows import cache_of, cached_mask

#: How decoding in few operations went, by model.
_TRIES: WeakKeyDictionary[ReconVLA, Tries] = WeakKeyDictionary()


@dataclass(frozen=True)
class ActionChunks:
    """Decoded chunks. `outside` counts, per row, tokens that are no action tokens; they decode to -+0.996."""

    actions: FloatArray  # (B, steps, 7)
    token_ids: IdArray  # (B, box tokens + steps * 7): the whole answer
    outside: NDArray[np.int64]  # (B,)


def prompt_batch(
    model: ReconVLA,
    images: Sequence[Picture],
    prompts: Sequence[IdArray],
    length: int | None = None,
    crops: Sequence[Picture | None] | None = None,
) -> Batch:
    """Pictures at the model's size and prompt ids as an unlabelled batch on the model's device.

    `length` pads to that many positions, image tokens included, whatever the longest prompt is. `crops` are
    the pictures of gaze regions for prompts with a place for one.
    """
    crops = [None] * len(images) if crops is None else crops
    samples = [
        Sample(ids, np.full_like(ids, IGNORED_LABEL), image, None, crop=crop)
        for ids, image, crop in zip(prompts, images, crops, strict=True)
    ]
    device = next(model.parameters()).device
    return collate(samples, model.config, pad_id=0, length=length).to(device)


@torch.inference_mode()
def generate_actions(
    model: ReconVLA,
    images: Sequence[Picture],
    prompts: Sequence[IdArray],
    tokenizer: ActionTokenizer | None = None,
    constrained: bool = False,
    length: int | None = None,
    crops: Sequence[Picture | None] | None = None,
    rows: int | None = None,
) -> ActionChunks:
    """One chunk per (picture, prompt), and picture of the gaze region where the prompt has a place for one.

    Greedy over the whole vocabulary, as the official server decodes; `constrained` considers action tokens
    only. `tokenizer` defaults to uniform bins at the model's vocabulary; `length` is `prompt_batch`'s,
    `rows` is `greedy_tokens`'s.
    Raises InvalidInput for pictures or prompts that do not fit the model, NotFinite as `greedy_tokens` does.
    """
    tokenizer = tokenizer or ActionTokenizer(model.config.language.action_vocab_size)
    ids = greedy_tokens(
        model,
        prompt_batch(model, images, prompts, length, crops),
        count=model.config.answer_tokens,
        allowed=range(tokenizer.first_id, tokenizer.vocab_size) if constrained else None,
        rows=rows,
    )
    shape = (len(ids), model.config.chunk_steps, model.config.action_dims)
    said = model.config.box_tokens
    return ActionChunks(
        actions=tokenizer.decode(ids[:, said:]).reshape(shape),
        token_ids=ids,
        outside=(~tokenizer.contains(ids)).sum(axis=1),
    )


@torch.inference_mode()
def greedy_tokens(
    model: ReconVLA, batch: Batch, count: int, allowed: range | None = None, rows: int | None = None
) -> IdArray:
    """The `count` most likely next tokens, one after the other: (B, count). `allowed` limits the choice, and so do the
    rules of the folder that the model is from (`generation_rules`). The order of sums is that of a batch of `rows`,
    whatever its own number is.

    Raises NotFinite where any logit of any token is NaN or infinite, also one that `allowed` leaves out.
    """
    if few_operations(model) and (tries := _TRIES.setdefault(model, Tries())).due():
        chosen = short_tokens(model, batch, count, allowed)
        tries.note(chosen is not None)
        if chosen is not None:
            return chosen.numpy()
    full = batch if rows is None else batch.filled(rows)
    return plain_tokens(model, full, count, allowed)[: len(batch)]


@torch.inference_mode()
def plain_tokens(model: ReconVLA, batch: Batch, count: int, allowed: range | None = None) -> IdArray:
    """What `greedy_tokens` gives, by the library's own modules, for any model."""
    language = model.language_model
    lengths = batch.attention_mask.sum(dim=1)  # (B,)
    choice = TokenChoice(model.config.generation, lengths)
    padded = not bool(batch.attention_mask.all())
    mask = batch.attention_mask
    cache = cache_of(model)
    states = language.model(
        inputs_embeds=model.embed(batch.input_ids, batch.images, batch.crops),
        attention_mask=cached_mask(model, mask, padded),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    last = states[torch.arange(len(batch), device=states.device), lengths - 1]  # (B, hidden)
    token, finite = _most_likely(model, last, allowed, choice, [])
    tokens, all_finite = [token], [finite]
    for step in range(count - 1):
        # Padding stays in the cache between prompt and answer: masked, and skipped by the positions.
        mask = torch.cat([mask, mask.new_ones(len(batch), 1)], dim=1)
        states = language.model(
            input_ids=tokens[-1][:, None],
            attention_mask=cached_mask(model, mask, padded, lengths + step),
            position_ids=(lengths + step)[:, None],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        token, finite = _most_likely(model, states[:, -1], allowed, choice, tokens)
        tokens.append(token)
        all_finite.append(finite)
    # Looked at once, at the end: each look waits for the device.
    check_finite_steps(model, torch.stack(all_finite, dim=1), "logits")
    return torch.stack(tokens, dim=1).cpu().numpy()


def _most_likely(
    model: ReconVLA, states: Tensor, allowed: range | None, choice: TokenChoice, before: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Of each row the id (B,) of the greatest logit, and whether all logits were finite (B,), before any was adjusted.

    before: tokens (B,) of the answer so far.
    """
    logits = model.language_model.lm_head(states).float()  # (B, vocabulary)
    finite = logits.isfinite().all(dim=-1)
    answer = (
        torch.stack([*before], dim=1) if before else states.new_zeros((len(states), 0), dtype=torch.int64)
    )
    logits = choice.adjusted(logits, answer, len(before))
    if allowed is None:
        return logits.argmax(dim=-1), finite
    return logits[:, allowed.start : allowed.stop].argmax(dim=-1) + allowed.start, finite
