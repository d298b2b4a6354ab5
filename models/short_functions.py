"""Operations of training in few operations (`models.short_training`), with their derivatives written out.

What automatic differentiation would keep, copy or add up once more is what these leave out; all else is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F


@dataclass(frozen=True)
class Block:
    """Queries `first` to `last` - 1 of each row, which look at the first `keys` positions. mask: added to their scores,
    (1 or B, last - first, keys) of 0 and -infinity; None: they look at all of these."""

    first: int
    last: int
    keys: int
    mask: Tensor | None = None


@dataclass(frozen=True)
class Heads:
    """How attention is divided. scale: of scores. turn, query_turn: (1 or B, positions, 1, width / 2) complex factors
    of keys and queries, whose numbers lie beside each other in pairs; None: they are not turned."""

    rows: int
    queries: int
    keys: int
    blocks: Sequence[Block]
    scale: float = 1.0
    turn: Tensor | None = None
    query_turn: Tensor | None = None


class _Folded(Function):
    """`folded` as a node of the graph."""

    @staticmethod
    def forward(ctx: Any, gain: Tensor, turned: int, width: int, *weights: Tensor) -> Tensor:
        joined = torch.cat(weights)
        if turned:
            halves = joined[:turned].unflatten(0, (-1, 2, width // 2))
            joined = torch.cat([halves.transpose(1, 2).flatten(0, 2), joined[turned:]])
        ctx.save_for_backward(joined, gain)
        ctx.turned, ctx.width, ctx.sizes = turned, width, [len(weight) for weight in weights]
        return joined * gain

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        joined, gain = ctx.saved_tensors
        of_gain = torch.linalg.vecdot(grad, joined, dim=0)
        of_weights = grad * gain
        if ctx.turned:
            pairs = of_weights[: ctx.turned].unflatten(0, (-1, ctx.width // 2, 2))
            of_weights = torch.cat([pairs.transpose(1, 2).flatten(0, 2), of_weights[ctx.turned :]])
        return of_gain, None, None, *of_weights.split(ctx.sizes)


def folded(gain: Tensor, weights: Sequence[Tensor], turned: int = 0, width: int = 2) -> Tensor:
    """The weight (outputs, inputs) of all `weights` below each other, for inputs that are not multiplied with `gain`.
    Of the first `turned` outputs, heads of `width`, the numbers that are turned together lie beside each other."""
    made: Tensor = _Folded.apply(gain, turned, width, *weights)
    return made


class _Normed(Function):
    """`normed` as a node of the graph."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
        size = torch.hypot(torch.linalg.vector_norm(states, dim=-1, keepdim=True), floor)
        out = states / size
        ctx.save_for_backward(out, size)
        ctx.set_materialize_grads(False)
        return out, states.view_as(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        grad, beside = grads
        if grad is None:
            return beside, None
        out, size = ctx.saved_tensors
        along = (grad * out).sum(dim=-1, keepdim=True)
        across = torch.addcmul(grad, out, along, value=-1)
        return (across.div_(size) if beside is None else torch.addcdiv(beside, across, size)), None


def normed(states: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
    """States (rows, hidden) divided by hypot(their length, floor), and the states once more, for what adds to them: so
    both derivatives are one sum."""
    made: tuple[Tensor, Tensor] = _Normed.apply(states, floor)
    return made


class _Gated(Function):
    """`gated` as a node of the graph."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        opened = F.silu(gate)
        ctx.save_for_backward(both, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        both, opened = ctx.saved_tensors
        gate, up = both.chunk(2, dim=-1)
        out = torch.empty_like(both)
        of_gate, of_up = out.chunk(2, dim=-1)
        torch.mul(grad, opened, out=of_up)
        torch.mul(grad, up, out=of_gate)
        torch.ops.aten.silu_backward.grad_input(of_gate, gate, grad_input=of_gate)
        return out


def gated(both: Tensor) -> Tensor:
    """silu(gate) * up (rows, width) of both (rows, 2 * width) beside each other."""
    made: Tensor = _Gated.apply(both)
    return made


class _Attended(Function):
    """`attended` as a node of the graph."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor | None, joined: Tensor, heads: Heads) -> Tensor:
        many = 2 * heads.keys + (heads.queries if queries is None else 0)
        parts = _by_position(joined, heads.rows, many)
        asked = parts if queries is None else _by_position(queries, heads.rows, heads.queries)
        key = _gathered(parts[:, :, -2 * heads.keys : -heads.keys], heads.turn)
        value = _gathered(parts[:, :, -heads.keys :], None)
        width = key.shape[2]
        out = joined.new_empty(heads.rows, asked.shape[1], heads.queries, width)
        nothing, kept = joined.new_empty(()), [key, value]
        for block in heads.blocks:
            first, last, count = block.first, block.last, block.keys
            query = _gathered(asked[:, first:last, : heads.queries], _part(heads.query_turn, block))
            query = query.view(len(key), -1, width)  # heads that share keys below each other
            scores = torch.baddbmm(nothing, query, key[:, :count].transpose(1, 2), beta=0, alpha=heads.scale)
            if block.mask is not None:
                scores.view(heads.rows, heads.queries, last - first, count).add_(block.mask[:, None])
            shares = torch.softmax(scores, dim=-1)
            _put(torch.bmm(shares, value[:, :count]), out[:, first:last], None)
            kept += [query, shares]
        ctx.save_for_backward(*kept)
        ctx.heads, ctx.apart = heads, queries is not None
        return out.view(-1, heads.queries * width)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        heads: Heads = ctx.heads
        key, value, *kept = ctx.saved_tensors
        _, length, width = key.shape
        by_position = _by_position(grad, heads.rows, heads.queries)
        many = 2 * heads.keys + (0 if ctx.apart else heads.queries)
        joined = grad.new_empty(heads.rows, length, many, width)
        of_queries = grad.new_empty(by_position.shape) if ctx.apart else joined[:, :, : heads.queries]
        back = None if heads.query_turn is None else heads.query_turn.conj().resolve_conj()
        nothing, of_key, of_value = grad.new_empty(()), None, None
        # The last block looks at all keys that any looks at.
        for place in reversed(range(len(heads.blocks))):
            block, query, shares = heads.blocks[place], kept[2 * place], kept[2 * place + 1]
            out = _gathered(by_position[:, block.first : block.last], None).view(len(key), -1, width)
            of_shares = torch.bmm(out, value[:, : block.keys].transpose(1, 2))
            scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
            value_part = torch.bmm(shares.transpose(1, 2), out)
            key_part = torch.baddbmm(nothing, scores.transpose(1, 2), query, beta=0, alpha=heads.scale)
            if of_key is None or of_value is None:
                of_key, of_value = _filled(key_part, length), _filled(value_part, length)
            else:
                of_key[:, : block.keys] += key_part
                of_value[:, : block.keys] += value_part
            of_query = torch.baddbmm(nothing, scores, key[:, : block.keys], beta=0, alpha=heads.scale)
            _put(of_query, of_queries[:, block.first : block.last], _part(back, block))
        assert of_key is not None and of_value is not None
        turn = None if heads.turn is None else heads.turn.conj().resolve_conj()
        _put(of_key, joined[:, :, -2 * heads.keys : -heads.keys], turn)
        _put(of_value, joined[:, :, -heads.keys :], None)
        flat = joined.view(-1, many * width)
        return of_queries.view(-1, heads.queries * width) if ctx.apart else None, flat, None


def attended(queries: Tensor | None, joined: Tensor, heads: Heads) -> Tensor:
    """Values (rows * positions of queries, heads * width), mixed by softmax(queries keys).

    joined: (rows * positions, ...) queries, keys and values of a position beside each other, or keys and values where
    `queries` (rows * their positions, heads * width) are given. Each head of keys belongs to as many heads of queries
    in a row.
    """
    made: Tensor = _Attended.apply(queries, joined, heads)
    return made


def _by_position(flat: Tensor, rows: int, heads: int) -> Tensor:
    """(rows, positions, heads, width) of (rows * positions, heads * width)."""
    return flat.view(rows, -1, heads, flat.shape[-1] // heads)


def _pairs(tensor: Tensor) -> Tensor:
    return torch.view_as_complex(tensor.unflatten(-1, (-1, 2)))


def _gathered(parts: Tensor, turn: Tensor | None) -> Tensor:
    """(rows * heads, positions, width), turned, of (rows, positions, heads, width)."""
    rows, positions, heads, width = parts.shape
    made = parts.new_empty(rows, heads, positions, width)
    _move(parts, made.transpose(1, 2), turn)
    return made.flatten(0, 1)


def _put(made: Tensor, place: Tensor, turn: Tensor | None) -> None:
    """Inverse of `_gathered`, of what may be grouped, into `place`."""
    rows, positions, heads, width = place.shape
    _move(made.view(rows, heads, positions, width).transpose(1, 2), place, turn)


def _move(source: Tensor, place: Tensor, turn: Tensor | None) -> None:
    if turn is None:
        place.copy_(source)
    else:
        torch.mul(_pairs(source), turn, out=_pairs(place))


def _filled(part: Tensor, length: int) -> Tensor:
    """With zeros at the positions behind it."""
    return part if part.shape[1] == length else F.pad(part, (0, 0, 0, length - part.shape[1]))


def _part(turn: Tensor | None, block: Block) -> Tensor | None:
    return None if turn is None else turn[:, block.first : block.last]
