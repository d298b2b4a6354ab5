"""Greedy decoding of a chunk in few operations: Qwen2's blocks written out, for models that a processor computes.

A small model's token costs the calls of its operations, so there are few of them: products of the same inputs are one,
the weights of norms are part of them, sums with what a block is given too, keys and values go to their place of a cache
that is never copied, and heads that share keys are rows of one product. No position is computed that only pads, and of
the last block only the state that chooses a token.

So sums are made in another order than by the library's modules, and logits differ in their last bits. A token counts
only where it is ahead by more than that (`_ROOM`); else nothing is said, and the caller decodes plainly. So the tokens
are those of plain decoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.batches import Batch
from models.reconvla import ReconVLA
from models.short_shapes import is_small_and_plain

#: By how much the likeliest token is ahead, as a share of the greatest logit's size: many times what the order of sums
#: changes (`trials/decoding.py` measures both).
_ROOM = 2.0**-14

#: Batches in a row that a model's tokens are decoded plainly without another try, at most.
_MOST_PLAIN = 63


@dataclass
class Tries:
    """Whether a model is worth the next try. One that is hardly trained says hardly any token with room to spare: each
    batch that is left to plain decoding after another one doubles how many are decoded so from the start."""

    left: int = 0
    _plain: int = 0

    def due(self) -> bool:
        """Asked once for each batch."""
        self._plain -= 1
        return self._plain < 0

    def note(self, worked: bool) -> None:
        """How the try went that was due."""
        self.left = 0 if worked else self.left + 1
        self._plain = min(2 ** max(self.left - 1, 0) - 1, _MOST_PLAIN)


def few_operations(model: ReconVLA) -> bool:
    """Whether `short_tokens` computes what the model's own modules do: a small, plain Qwen2 in float32 on the
    processor, whose likeliest token is the answer."""
    language = model.language_model
    if not is_small_and_plain(model.config) or torch.is_autocast_enabled("cpu"):
        return False
    parameters = list(language.parameters())
    return (
        all(type(one) is nn.Parameter and one.device.type == "cpu" for one in parameters)
        and {one.dtype for one in parameters} == {torch.float32}
        and all(type(layer) is nn.Linear for block in language.model.layers for layer in _layers_of(block))
    )


def _layers_of(block: Any) -> Sequence[nn.Module]:
    attention, mlp = block.self_attn, block.mlp
    inputs = attention.q_proj, attention.k_proj, attention.v_proj
    return [*inputs, attention.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj]


@dataclass(frozen=True)
class _Turn:
    """What heads of queries, keys and values are turned with, (..., heads, width): cosines, and sines with the sign of
    their half; values stay as they are."""

    cos: Tensor
    sin: Tensor

    def __getitem__(self, at: Any) -> _Turn:
        return _Turn(self.cos[at], self.sin[at])


class _Normed:
    """An RMS norm and the product that follows it."""

    def __init__(self, norm: Any, layers: Sequence[Any]) -> None:
        weight = norm.weight
        self._floor = torch.tensor(math.sqrt(len(weight) * norm.variance_epsilon))
        joined = torch.cat([layer.weight for layer in layers]) if len(layers) > 1 else layers[0].weight
        self._weight = (joined * (weight * math.sqrt(len(weight)))).t()
        self._bias = None if layers[0].bias is None else torch.cat([layer.bias for layer in layers])

    def __call__(self, states: Tensor) -> Tensor:
        """Products (rows, outputs) of states (rows, hidden)."""
        size = torch.hypot(torch.linalg.vector_norm(states, dim=-1, keepdim=True), self._floor)
        if self._bias is None:
            return torch.mm(states / size, self._weight)
        return torch.addmm(self._bias, states / size, self._weight)


class _Block:
    """One of Qwen2's, with its places of the cache."""

    def __init__(self, block: Any, rows: int, places: int) -> None:
        attention, mlp = block.self_attn, block.mlp
        self._size, self._scale = attention.head_dim, attention.scaling
        self._key_heads = attention.k_proj.out_features // self._size
        self._heads = attention.q_proj.out_features // self._size
        self._inputs = _Normed(block.input_layernorm, [attention.q_proj, attention.k_proj, attention.v_proj])
        self._output = attention.o_proj.weight.t()
        self._gate_up = _Normed(block.post_attention_layernorm, [mlp.gate_proj, mlp.up_proj])
        self._down, self._activation = mlp.down_proj.weight.t(), mlp.act_fn
        self._cache = self._output.new_empty(rows, 2 * self._key_heads, places, self._size)

    def prompt(self, states: Tensor, turn: _Turn, last: Tensor | None) -> Tensor:
        """States (B * L, hidden) of whole prompts after the block; (B, hidden) of the rows `last` alone where they are
        given."""
        turned = self._turned(states, turn, len(self._cache)).transpose(1, 2)  # (B, heads, L, width)
        kept = self._cache[:, :, : turned.shape[2]]
        kept.copy_(turned[:, self._heads :])
        # Prompts begin at the first place, so the causal mask hides what pads them.
        mixed = F.scaled_dot_product_attention(
            turned[:, : self._heads], kept[:, : self._key_heads], kept[:, self._key_heads :],
            is_causal=True, scale=self._scale, enable_gqa=True,
        )  # fmt: skip
        mixed = mixed.transpose(1, 2).reshape(len(states), -1)
        return self._rest(states, mixed) if last is None else self._rest(states[last], mixed[last])

    def token(self, states: Tensor, turn: _Turn, place: int, mask: Tensor | None) -> Tensor:
        """States (B, hidden) of one token more, which takes `place` of the cache. mask: (B, 1, 1, place + 1), added to
        its attention; None: it looks at all."""
        turned = self._turned(states, turn, len(states))[:, 0]  # (B, heads, width)
        kept = self._cache[:, :, : place + 1]
        kept[:, :, place] = turned[:, self._heads :]
        queries = turned[:, : self._heads].unflatten(1, (self._key_heads, -1))
        mixed = F.scaled_dot_product_attention(
            queries, kept[:, : self._key_heads], kept[:, self._key_heads :], attn_mask=mask, scale=self._scale
        )
        return self._rest(states, mixed.flatten(1))

    def _turned(self, states: Tensor, turn: _Turn, rows: int) -> Tensor:
        """Queries, keys and values (B, L, heads, width)."""
        heads = self._inputs(states).view(rows, -1, self._heads + 2 * self._key_heads, self._size)
        half = self._size // 2
        swapped = torch.cat([heads[..., half:], heads[..., :half]], dim=-1)
        return torch.addcmul(heads * turn.cos, swapped, turn.sin)

    def _rest(self, states: Tensor, mixed: Tensor) -> Tensor:
        states = torch.addmm(states, mixed, self._output)
        gate, up = self._gate_up(states).chunk(2, dim=-1)
        return torch.addmm(states, self._activation(gate) * up, self._down)


def _turns(language: Any, count: int) -> _Turn:
    """Of the positions before `count`: (count, heads, width)."""
    attention = language.model.layers[0].self_attn
    tables = language.model.rotary_emb(language.lm_head.weight, torch.arange(count)[None])
    cos, sin = (table[0][:, None] for table in tables)
    half = sin.shape[-1] // 2
    signed = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
    values = attention.v_proj.out_features // attention.head_dim
    turned = attention.q_proj.out_features // attention.head_dim + values
    still = cos.new_ones(count, values, 2 * half)
    return _Turn(
        torch.cat([cos.expand(-1, turned, -1), still], dim=1),
        torch.cat([signed.expand(-1, turned, -1), still.new_zeros(still.shape)], dim=1),
    )


def short_tokens(model: ReconVLA, batch: Batch, count: int, allowed: range | None = None) -> Tensor | None:
    """The tokens (B, count) of plain greedy decoding of a model that `few_operations` knows; None where a token is not
    ahead by enough, or logits are not finite."""
    language, lengths = model.language_model, batch.attention_mask.sum(dim=1)
    rows, length = len(batch), int(lengths.max())
    even = bool((lengths == length).all())
    blocks = [_Block(block, rows, length + count) for block in language.model.layers]
    head = _Normed(language.model.norm, [language.lm_head])
    turns = _turns(language, length + count)
    states = model.embed(batch.input_ids[:, :length], batch.images, batch.crops).flatten(0, 1)
    for block in blocks[:-1]:
        states = block.prompt(states, turns[:length], None)
    states = blocks[-1].prompt(states, turns[:length], lengths - 1 + torch.arange(rows) * length)
    # Padding keeps its places of the cache, between prompt and answer; positions go on without it.
    places = torch.arange(count)[:, None] + (length if even else lengths)
    following = turns[places[:, :, None]]
    mask = None if even else _mask(batch.attention_mask[:, :length], count)
    table, tokens = language.get_input_embeddings().weight, list[Tensor]()
    while (token := _ahead(head(states), allowed)) is not None:
        tokens.append(token)
        if len(tokens) == count:
            return torch.stack(tokens, dim=1)
        states, place = F.embedding(token, table), length + len(tokens) - 1
        seen, turn = None if mask is None else mask[..., : place + 1], following[len(tokens) - 1]
        for block in blocks:
            states = block.token(states, turn, place, seen)
    return None


def _mask(holds: Tensor, count: int) -> Tensor:
    """(B, 1, 1, L + count): 0 where a place holds a token, else -inf. holds: (B, L), of the prompts."""
    added = torch.zeros(holds.shape[0], holds.shape[1] + count)
    return added.masked_fill_(F.pad(~holds, (0, count)), -torch.inf)[:, None, None]


def _ahead(logits: Tensor, allowed: range | None) -> Tensor | None:
    """The likeliest token (B,) of `logits` (B, vocabulary); None where one is not ahead by enough."""
    size = logits.abs().amax(dim=-1)  # NaN or infinite where any is, and then no token is ahead
    chosen = logits if allowed is None else logits[:, allowed.start : allowed.stop]
    best, ids = chosen.topk(2, dim=-1)
    if not bool((best[:, 0] - best[:, 1] > size * _ROOM).all()):
        return None
    return ids[:, 0] + (0 if allowed is None else allowed.start)
