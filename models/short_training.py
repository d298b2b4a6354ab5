"""Losses of a batch in few operations: the model's forward pass written out, for small models on the processor.

A step of a small model costs its operations' passes over memory beside their sums. So products of the same inputs are
one, the weights of norms and the scale of attention are part of them, heads that share keys are rows of one product,
attention computes no position behind its queries and makes no mask of padding, which stands behind all that is looked
at, and the last block is computed only where its states are read.

Sums are made in another order than by the library's modules, so losses differ from theirs in the last bits. Which of
both trains a model is fixed in its job's parameters (`operations` of `tasks.specs.TrainingSpec`).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

from errors import InvalidInput
from models.batches import Batch, Draws
from models.prompt import CROP_PLACEHOLDER, IGNORED_LABEL, IMAGE_PLACEHOLDER
from models.reconvla import Losses, ReconVLA, reconstructed
from models.short_decoding import few_operations
from models.short_denoiser import reconstruction_losses
from models.short_functions import Block, Heads, attended, folded, gated, normed
from models.short_shapes import is_short_to_train

#: Parts of a prompt's queries: each looks at no more keys than its last query does.
_BLOCKS = 3
_ONE = torch.ones(1)


def is_short(model: ReconVLA) -> bool:
    """Whether `short_losses` computes what the model's own modules do: a small, plain model in float32 on the
    processor whose activations are kept. What of it is trained and autocast are the caller's to know."""
    if not is_short_to_train(model.config) or not few_operations(model) or model.recomputes:
        return False
    parts = [part for part in (model.vision_tower, model.projector, model.denoiser) if part is not None]
    parameters = [parameter for part in parts for parameter in part.parameters()]
    return all(
        type(one) is nn.Parameter and one.device.type == "cpu" and one.dtype == torch.float32
        for one in parameters
    )


def short_losses(model: ReconVLA, batch: Batch, draws: Draws | None) -> Losses:
    """Losses of `batch` as `ReconVLA.forward` gives them, for a model that `is_short`. Raises as it does."""
    trusted = reconstructed(model.config, batch)
    reconstructs = model.config.denoiser is not None and batch.targets is not None and bool(trusted.any())
    if reconstructs and draws is None:
        raise InvalidInput("this model reconstructs, so forward needs the draws of draw_noise")
    rows, length = (
        batch.input_ids.shape[0],
        batch.input_ids.shape[1] - 1,
    )  # the last position predicts nothing
    following = batch.labels[:, 1:]
    labelled = following != IGNORED_LABEL
    at_image = batch.input_ids[:, :length] == IMAGE_PLACEHOLDER
    read = labelled | at_image if reconstructs else labelled
    states, places = _states(model, batch, length, read)
    # (rows, places) of the positions that were computed
    predicting = torch.gather(labelled & read, 1, places).flatten().nonzero()[:, 0]
    logits = model.language_model.lm_head(states.index_select(0, predicting))
    action = F.cross_entropy(logits, following[labelled])
    if not reconstructs:
        return Losses(total=action, action=action, reconstruction=None)
    assert draws is not None and batch.targets is not None and model.config.denoiser is not None
    imaged = torch.gather(at_image, 1, places).flatten().nonzero()[:, 0]
    seen = states.index_select(0, imaged).unflatten(0, (-1, model.config.vision.patches))
    has_image = at_image.any(dim=1)
    if not bool(has_image.all()):
        seen = seen.new_zeros(rows, *seen.shape[1:]).index_copy(0, has_image.nonzero()[:, 0], seen)
    losses = reconstruction_losses(model, seen, batch.targets, draws)
    if batch.target_weights is not None:
        losses = losses * batch.target_weights
    reconstruction = losses[trusted].mean()
    return Losses(action + model.config.denoiser.loss_weight * reconstruction, action, reconstruction)


def _states(model: ReconVLA, batch: Batch, length: int, read: Tensor) -> tuple[Tensor, Tensor]:
    """States (rows * places, hidden) after the final norm, and the positions (rows, places) that they are at: first
    those that are `read` (rows, length), rising; a row with fewer has others behind them."""
    language, rows = model.language_model, len(read)
    turn = _turn(model, length)
    states, entries = _embeddings(model, batch, length)
    at: Tensor | None = entries
    if len(states) > len(entries):
        states, at = states.index_select(0, entries), None
    places = torch.argsort(~read, dim=1, stable=True)[:, : int(read.sum(dim=1).max())]
    blocks = language.model.layers
    first = blocks[0].self_attn
    heads = first.q_proj.out_features // first.head_dim, first.k_proj.out_features // first.head_dim
    everywhere = Heads(rows, *heads, _causal(torch.arange(length)[None]), first.scaling, turn, turn)
    there = Heads(rows, *heads, _causal(places), first.scaling, turn, turn[0][places])
    offset = torch.arange(rows)[:, None] * length
    for block in blocks[:-1]:
        states, at = _block(block, states, everywhere, at), None
    states = _block(blocks[-1], states, there, at, (places + offset).flatten())
    norm = language.model.norm
    floor, gain = _norm_of(norm, states)
    return normed(states, floor)[0] * gain, places


def _embeddings(model: ReconVLA, batch: Batch, length: int) -> tuple[Tensor, Tensor]:
    """One table (entries, hidden) of words and projected patches, and which of them stands at each position
    (rows * length,)."""
    words = model.language_model.get_input_embeddings().weight
    ids = batch.input_ids[:, :length]
    tables, at, begin = [words], ids.clamp_min(0), len(words)
    for placeholder, images in ((IMAGE_PLACEHOLDER, batch.images), (CROP_PLACEHOLDER, batch.crops)):
        if images is None:
            continue
        here = ids == placeholder
        per_row = here.sum(dim=1)
        shown = per_row > 0
        if bool((per_row[shown] != model.config.vision.patches).any()):
            raise InvalidInput(
                f"each image needs {model.config.vision.patches} positions, got {per_row.tolist()}"
            )
        projected = model.projector(_seen(model, images[shown]))
        at = at.masked_scatter(here, torch.arange(begin, begin + len(projected)))
        tables.append(projected)
        begin += len(projected)
    return torch.cat(tables), at.flatten()


def _seen(model: ReconVLA, images: Tensor) -> Tensor:
    """Vision features (B * patches, vision width) as `ReconVLA.encode_images` gives them."""
    config, tower = model.config.vision, model.vision_tower
    expected = (3, config.image_size, config.image_size)
    if tuple(images.shape[1:]) != expected:
        raise InvalidInput(f"images must be (batch, {expected}), got {tuple(images.shape)}")
    with torch.set_grad_enabled(torch.is_grad_enabled() and not config.frozen):
        side, patch, embedding = config.grid, config.patch_size, tower.embeddings
        cells = (
            images[..., : side * patch, : side * patch]
            .unflatten(3, (side, patch))
            .unflatten(2, (side, patch))
        )
        flat = cells.permute(0, 2, 4, 1, 3, 5).reshape(len(images) * side * side, -1)
        kernel = embedding.patch_embedding
        states = torch.addmm(kernel.bias, flat, kernel.weight.flatten(1).t())
        states = (states.unflatten(0, (len(images), -1)) + embedding.position_embedding.weight).flatten(0, 1)
        whole = [Block(0, side * side, side * side)]
        heads = Heads(len(images), config.heads, config.heads, whole, (config.width // config.heads) ** -0.5)
        for layer in tower.encoder.layers[:-1]:
            states = _vision_block(layer, states, heads)
    return states


def _vision_block(layer: Any, states: Tensor, heads: Heads) -> Tensor:
    attention, mlp = layer.self_attn, layer.mlp
    inputs = attention.q_proj, attention.k_proj, attention.v_proj
    weight, bias = torch.cat([one.weight for one in inputs]), torch.cat([one.bias for one in inputs])
    mixed = attended(None, F.linear(layer.layer_norm1(states), weight, bias), heads)
    states = states + attention.out_proj(mixed)
    return states + mlp(layer.layer_norm2(states))


def _block(block: Any, states: Tensor, heads: Heads, at: Tensor | None, only: Tensor | None = None) -> Tensor:
    """States after one of Qwen2's blocks. at: of which row of `states` each position is; None: of its own. only: the
    positions that are asked for; None: all."""
    attention, mlp = block.self_attn, block.mlp
    floor, gain = _norm_of(block.input_layernorm, states)
    scaled, states = normed(states, floor)
    asked, others = attention.q_proj.out_features, attention.k_proj.out_features
    inputs = attention.q_proj, attention.k_proj, attention.v_proj
    turned, width = asked + others, attention.head_dim
    weight = folded(gain, [one.weight for one in inputs], turned, width)
    bias = None
    if inputs[0].bias is not None:
        bias = folded(_ONE, [one.bias[:, None] for one in inputs], turned, width)[:, 0]
    if only is None:
        mixed = attended(None, _at(F.linear(scaled, weight, bias), at), heads)
        states = _at(states, at)
    else:
        there = only if at is None else at[only]
        bias_there, bias = (None, None) if bias is None else (bias[:asked], bias[asked:])
        queries = F.linear(scaled.index_select(0, there), weight[:asked], bias_there)
        mixed = attended(queries, _at(F.linear(scaled, weight[asked:], bias), at), heads)
        states = states.index_select(0, there)
    states = torch.addmm(states, mixed, attention.o_proj.weight.t())
    floor, gain = _norm_of(block.post_attention_layernorm, states)
    scaled, states = normed(states, floor)
    both = F.linear(scaled, folded(gain, [mlp.gate_proj.weight, mlp.up_proj.weight]))
    inside = gated(both) if _is_silu(mlp.act_fn) else _gated_by(mlp.act_fn, both)
    return torch.addmm(states, inside, mlp.down_proj.weight.t())


def _is_silu(activation: Any) -> bool:
    return isinstance(activation, (nn.SiLU, type(ACT2FN["silu"])))


def _gated_by(activation: Any, both: Tensor) -> Tensor:
    gate, up = both.chunk(2, dim=-1)
    return activation(gate) * up


def _norm_of(norm: Any, states: Tensor) -> tuple[Tensor, Tensor]:
    """The floor of `normed` with which it is this RMS norm, and what its outputs are multiplied with then."""
    width = states.shape[-1]
    return torch.tensor(math.sqrt(width * norm.variance_epsilon)), norm.weight * math.sqrt(width)


def _at(states: Tensor, at: Tensor | None) -> Tensor:
    return states if at is None else states.index_select(0, at)


def _turn(model: ReconVLA, length: int) -> Tensor:
    """Complex factors (1, length, 1, width / 2) of the positions."""
    language = model.language_model
    cos, sin = language.model.rotary_emb(language.lm_head.weight, torch.arange(length)[None])
    half = cos.shape[-1] // 2
    return torch.complex(cos[..., :half], sin[..., :half])[:, :, None]


def _causal(places: Tensor) -> list[Block]:
    """Blocks of queries at `places` (1 or rows, count), rising: two, as the first half looks at fewer keys."""
    if bool((places == places[:1]).all()):
        places = places[:1]
    count = places.shape[1]
    blocks = []
    edges = [count * place // _BLOCKS for place in range(_BLOCKS + 1)]
    for first, last in pairwise(edges):
        at = places[:, first:last]
        if last > first:
            keys = int(at.max()) + 1
            hidden = torch.arange(keys) > at[..., None]
            mask = torch.zeros(hidden.shape).masked_fill_(hidden, -math.inf)
            blocks.append(Block(first, last, keys, mask))
    return blocks
