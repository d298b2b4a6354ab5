"""A GroundingDINO of transformers as it is used here: whole pictures of one size, one phrase for all of them.

transformers' own `forward` is made for batches of any pictures and for training: it masks padding, makes positions,
grids and masks of words anew in every call, decides on words and boxes after every layer of the decoder, and makes a
box for every place of the picture. Here what depends on the phrase or the size alone is made once, what nothing reads
is not made, and batch normalisation is part of the convolution before it. Sums are taken in another order; else the
answers are the library's (`tests/detectors/grounding_dino/test_forward.py`).

N pictures, S places of all feature maps, Q queries, T words, C width, L levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from detectors.grounding_dino.layers import (
    Fusion,
    PointAttention,
    SelfAttention,
    TextAttention,
    fed_forward,
    fold_normalisation,
)

#: Boxes lie as far from 0 and 1 at least when their logits are taken, as in the library.
_LOGIT_EPS = 1e-5
#: Places in whose box an edge lies nearer to 0 or 1 than this propose nothing.
_EDGE = 0.01
#: The edge of a box that a place of the finest level proposes, in shares of the picture; twice as much on the next.
_PROPOSED_EDGE = 0.05


@dataclass(frozen=True)
class _Words:
    """Of one phrase. features: (1, T, C); positions: (1, T, C); mask: (1, T, T), added to what words attend to."""

    features: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class _Places:
    """Of pictures of one size. shapes: (height, width) by level; positions: (1, S, C); centres: (2, S), x and y from
    -1 to 1; steps: (L, 1, 2, 1), a place's width and height in the same measure; proposals: (S, 4) logits of boxes,
    infinite where nothing is proposed; proposed: (S, 1), 0 there."""

    shapes: tuple[tuple[int, int], ...]
    positions: torch.Tensor
    centres: torch.Tensor
    steps: torch.Tensor
    proposals: torch.Tensor
    proposed: torch.Tensor


class OnePhraseForward:
    """Logits and boxes of a GroundingDINO or MM-GroundingDINO of two stages in evaluation mode, whose tower it changes
    to compute the same in another order."""

    def __init__(self, model: Any) -> None:
        self.model, self._inner = model, model.model
        self._width = model.config.d_model
        self._tower = self._inner.backbone.conv_encoder.model
        self._layout = torch.contiguous_format
        if fold_normalisation(self._tower):  # one of convolutions
            self._layout = torch.channels_last
            self._tower.to(memory_format=self._layout)
        self._encoder = [_EncoderLayer(layer) for layer in self._inner.encoder.layers]
        self._decoder = [_DecoderLayer(layer) for layer in self._inner.decoder.layers]
        numbers = torch.arange(self._width // 4, device=model.device, dtype=torch.float32)
        self._waves = 2 * math.pi / 10000 ** (4 * numbers / self._width)  # of the library's sine positions
        self._words: dict[tuple[int, ...], _Words] = {}
        self._places: dict[tuple[int, ...], _Places] = {}

    def __call__(self, pixels: torch.Tensor, ids: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (N, Q, T) and boxes (N, Q, 4), cx, cy, w and h in shares, of (N, 3, h, w) and the phrase's words."""
        phrase = tuple(ids[: self.model.config.max_text_len])
        if phrase not in self._words:
            self._words[phrase] = self._new_words(torch.tensor([phrase], device=pixels.device))
        words = self._words[phrase]
        maps = self._maps(pixels)
        size = tuple(pixels.shape[2:])
        if size not in self._places:
            self._places[size] = self._new_places(maps)
        places = self._places[size]
        text = words.features.expand(len(pixels), -1, -1)
        seen = torch.cat([one.flatten(2).mT for one in maps], 1)  # (N, S, C)
        for layer in self._encoder:
            seen, text = layer(seen, text, words, places)
        return self._decoded(seen, text, places)

    def _new_words(self, ids: Any) -> _Words:
        from transformers.models.grounding_dino.modeling_grounding_dino import (
            encode_sinusoidal_position_embedding,
            generate_masks_with_special_tokens_and_transfer_map,
        )

        together, numbers = generate_masks_with_special_tokens_and_transfer_map(
            ids, self._inner.special_tokens
        )
        encoded = self._inner.text_backbone(ids, together[:, None], torch.zeros_like(ids), numbers)
        features = self._inner.text_projection(encoded.last_hidden_state)
        positions = encode_sinusoidal_position_embedding(numbers[..., None].float(), self._width)
        return _Words(features, positions, (~together).float() * torch.finfo(torch.float32).min)

    def _maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """(N, C, height, width) of each level."""
        found = self._tower(pixels.contiguous(memory_format=self._layout)).feature_maps
        projections = self._inner.input_proj_vision
        maps = [projections[level](one) for level, one in enumerate(found)]
        for project in projections[len(found) :]:
            maps.append(project(found[-1] if len(maps) == len(found) else maps[-1]))
        return maps

    def _new_places(self, maps: Sequence[torch.Tensor]) -> _Places:
        positions, centres, boxes = [], [], []
        for level, one in enumerate(maps):
            whole = torch.ones(1, *one.shape[2:], dtype=torch.bool, device=one.device)
            position = self._inner.backbone.position_embedding(one[:1], whole)
            positions.append(position.flatten(2).mT + self._inner.level_embed[level])
            y, x = ((torch.arange(edge, device=one.device) + 0.5) / edge for edge in one.shape[2:])
            centre = torch.stack([part.flatten() for part in torch.meshgrid(x, y, indexing="xy")])
            centres.append(centre)
            boxes.append(torch.cat([centre.mT, torch.full_like(centre.mT, _PROPOSED_EDGE * 2**level)], 1))
        box = torch.cat(boxes)
        proposed = ((box > _EDGE) & (box < 1 - _EDGE)).all(1, keepdim=True)
        sizes = torch.tensor([[one.shape[3], one.shape[2]] for one in maps], device=box.device)
        return _Places(
            shapes=tuple((one.shape[2], one.shape[3]) for one in maps),
            positions=torch.cat(positions, 1).float(),
            centres=2 * torch.cat(centres, 1) - 1,
            steps=(2 / sizes)[:, None, :, None],
            proposals=torch.log(box / (1 - box)).masked_fill(~proposed, math.inf),
            proposed=proposed.float(),
        )

    def _decoded(
        self, seen: torch.Tensor, text: torch.Tensor, places: _Places
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inner, decoder, heads = self._inner, self._inner.decoder, self.model.bbox_embed
        proposed = inner.enc_output_norm(inner.enc_output(seen * places.proposed))
        # What MM-GroundingDINO does to these products leaves their order as it is.
        best = (proposed @ text.mT).amax(-1).topk(self.model.config.num_queries, 1).indices[..., None]
        chosen = proposed.gather(1, best.expand(-1, -1, self._width))
        start = places.proposals.expand(len(seen), -1, -1).gather(1, best.expand(-1, -1, 4))
        boxes = (inner.encoder_output_bbox_embed(chosen).float() + start).sigmoid()  # (N, Q, 4)
        state = inner.query_position_embeddings.weight.expand(len(seen), -1, -1)
        for number, layer in enumerate(self._decoder):
            if number:
                boxes = _refined(boxes, decoder.bbox_embed[number - 1](state))
            positions = decoder.reference_points_head(self._sines(boxes))
            state = layer(state, positions, text, seen, boxes, places)
        state = decoder.layer_norm(state)
        words = torch.ones(text.shape[:2], dtype=torch.bool, device=text.device)
        logits = self.model.class_embed[-1](state, text, words)[..., : text.shape[1]]
        return logits, _refined(boxes, heads[-1](state))

    def _sines(self, boxes: torch.Tensor) -> torch.Tensor:
        """(N, Q, 2 C) of boxes (N, Q, 4): sines and cosines in turn, of y, x, w and h."""
        angles = boxes[..., [1, 0, 2, 3], None] * self._waves
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(2)


class _EncoderLayer:
    def __init__(self, layer: Any) -> None:
        self._fusion = Fusion(layer.fusion_layer)
        self._text, self._seen = layer.text_enhancer_layer, layer.deformable_layer
        self._text_attention = SelfAttention(self._text.self_attn)
        self._seen_attention = PointAttention(self._seen.self_attn)

    def __call__(
        self, seen: torch.Tensor, text: torch.Tensor, words: _Words, places: _Places
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, S, C) and (N, T, C), of the same."""
        seen, text = self._fusion(seen, text)
        layer = self._text
        text = layer.layer_norm_before(text + self._text_attention(text, words.positions, words.mask))
        text = fed_forward(layer, text, layer.layer_norm_after, layer.activation)
        layer = self._seen
        found = self._seen_attention(
            seen + places.positions, seen, places.shapes, places.centres, places.steps
        )
        seen = layer.self_attn_layer_norm(seen + found)
        return fed_forward(layer, seen, layer.final_layer_norm, layer.activation_fn), text


class _DecoderLayer:
    """Queries are told of each other, of the words, and of what is seen around their boxes."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._self_attention = SelfAttention(layer.self_attn)
        self._text_attention = TextAttention(layer.encoder_attn_text)
        self._seen_attention = PointAttention(layer.encoder_attn)

    def __call__(
        self,
        state: torch.Tensor,
        positions: torch.Tensor,
        text: torch.Tensor,
        seen: torch.Tensor,
        boxes: torch.Tensor,
        places: _Places,
    ) -> torch.Tensor:
        """(N, Q, C) of the same. positions: (N, Q, C); boxes: (N, Q, 4)."""
        layer = self._layer
        state = layer.self_attn_layer_norm(state + self._self_attention(state, positions))
        state = layer.encoder_attn_text_layer_norm(state + self._text_attention(state + positions, text))
        edges = boxes.mT[:, None, None, None]  # (N, 1, 1, 1, 4, Q)
        centres, reach = 2 * edges[..., :2, :] - 1, edges[..., 2:, :] / self._seen_attention.points
        found = self._seen_attention(state + positions, seen, places.shapes, centres, reach)
        state = layer.encoder_attn_layer_norm(state + found)
        return fed_forward(layer, state, layer.final_layer_norm, layer.activation_fn)


def _refined(boxes: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    return (change.float() + torch.special.logit(boxes, eps=_LOGIT_EPS)).sigmoid()
