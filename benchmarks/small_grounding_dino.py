"""A GroundingDINO small enough to learn the play table on a processor core: its parts and what it learns from.

Architecture is transformers' own, sizes a hundredth of the released model's, from random weights. The tower is a
ResNet, as in DETR (Carion et al. 2020), because it learns from little; it first learns alone, as the tower of an
anchor-free detector (FCOS, Tian et al. 2019). Everything behind it then learns from every query near an object
instead of the one that is matched with it (hybrid matching, Jia et al. 2023), with the overlap of its box as the
score that is wanted (varifocal loss, Zhang et al. 2021): with one match an object it would take days.

Boxes are (cx, cy, w, h) in shares of the picture, as in transformers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    ResNetBackbone,
    ResNetConfig,
)
from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps

#: Strides of the tower's three outputs in pixels.
STRIDES = (8, 16, 32)
_TOWER = {
    "embedding_size": 24,
    "hidden_sizes": [32, 64, 96, 128],
    "depths": [2, 2, 2, 1],
    "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}
_WIDTH = 64
#: Weights of the losses of boxes' edges and overlap, those of DETR.
_EDGE_LOSS, _OVERLAP_LOSS, _SCORE_LOSS = 5.0, 2.0, 2.0
#: A proposal stands for the object whose box it overlaps this much, or in whose middle it lies.
_NEAR_IOU = 0.4
#: Largest distance in shares of the picture by which an edge of a box may lie inside of the place that tells it.
_INSIDE = 0.05


class DenseDetector(nn.Module):
    """The tower, and what makes a detector of it while it learns: a score and a box of every object at every place."""

    def __init__(self, objects: int) -> None:
        super().__init__()
        self.objects = objects
        self.tower = ResNetBackbone(ResNetConfig(**_TOWER))  # type: ignore[arg-type]
        self.levels = nn.ModuleList(nn.Conv2d(width, _WIDTH, 1) for width in _TOWER["hidden_sizes"][1:])  # type: ignore[index]
        self.mix = nn.Conv2d(_WIDTH, 96, 3, padding=1)
        self.score = nn.Conv2d(96, objects, 1)
        self.edges = nn.Conv2d(96, 4 * objects, 1)
        nn.init.constant_(self.score.bias, -4.0)  # objects are rare  # type: ignore[arg-type]

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores' logits (B, objects, places) and boxes (B, objects, places, 4) of (B, 3, size, size)."""
        maps = self.tower(pixels).feature_maps
        shape = maps[0].shape[-2:]
        scaled = [
            functional.interpolate(level(one), size=shape, mode="bilinear")
            for level, one in zip(self.levels, maps, strict=True)
        ]
        hidden = functional.relu(self.mix(torch.stack(scaled).sum(0)))
        away = functional.softplus(self.edges(hidden).reshape(len(pixels), self.objects, 4, -1)).mT
        low = _middles(shape[0]) - away[..., :2] / 10 + _INSIDE
        high = _middles(shape[0]) + away[..., 2:] / 10 - _INSIDE
        boxes = torch.cat([(low + high) / 2, (high - low).clamp(min=1e-4)], -1)
        return self.score(hidden).flatten(2), boxes


def dense_loss(logits: torch.Tensor, boxes: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Of a `DenseDetector`'s answer. true: (B, objects, 4), NaN where an object is not in the picture."""
    middles = _middles(math.isqrt(logits.shape[-1]))
    wanted = torch.nan_to_num(true)[:, :, None]
    reach = torch.maximum(wanted[..., 2:] / 4, torch.tensor(0.75 / math.isqrt(len(middles))))
    near = ((middles - wanted[..., :2]).abs() < reach).all(-1) & ~true[:, :, None, 0].isnan()
    return _loss(logits, boxes[near], wanted.expand_as(boxes)[near], near.nonzero(as_tuple=True))


def small_model(
    folder: Path, words: Sequence[str], tower: Mapping[str, torch.Tensor], size: int
) -> tuple[Any, Any]:
    """Processor and model, which sees pictures of `size` pixels and knows `words`. tower: weights it has learned."""
    # The places of bert-base-uncased's [CLS], [SEP], full stop and question mark are fixed in the model's code.
    vocabulary = [f"[unused{place}]" for place in range(1030)]
    vocabulary[0], vocabulary[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary[104 : 104 + len(words)] = words
    vocabulary[1012], vocabulary[1029] = ".", "?"
    file = folder / "vocab.txt"
    file.write_text("\n".join(vocabulary) + "\n")
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessor(size={"shortest_edge": size, "longest_edge": 2 * size}),
        BertTokenizer(vocab=str(file)),
    )
    model = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=ResNetConfig(**_TOWER),  # type: ignore[arg-type]
            text_config=BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=_WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=2 * _WIDTH,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            d_model=_WIDTH,
            encoder_layers=1,
            decoder_layers=3,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=2 * _WIDTH,
            decoder_ffn_dim=2 * _WIDTH,
            num_queries=60,
            num_feature_levels=len(STRIDES),
            dropout=0.0,
            fusion_droppath=0.0,
            disable_custom_kernels=True,
        )
    )
    # The model holds the tower's normalisation as it was learned, and transformers keeps a ResNet from learning on.
    model.model.backbone.conv_encoder.model.load_state_dict(
        {name: weight for name, weight in tower.items() if not name.endswith("num_batches_tracked")}
    )
    for name, parameter in model.named_parameters():
        if name.endswith(("vision_param", "text_param")):
            nn.init.constant_(parameter, 0.3)  # 1e-4 is for a model whose halves are pretrained
    # Scores are products of normalised vectors without a scale: they begin near 0, not saturated.
    nn.init.constant_(model.model.decoder.layer_norm.weight, 0.1)
    nn.init.constant_(model.model.enc_output_norm.weight, 0.1)
    return processor, model


def model_loss(
    model: Any, outputs: Any, tokens: Any, labels: list[dict[str, torch.Tensor]], size: int
) -> Any:
    """Of the proposals, and of every layer of the decoder. labels: `class_labels` (the place of a phrase in the
    caption) and `boxes` of each picture."""
    phrases = build_label_maps(outputs.logits, tokens["input_ids"])
    loss = _proposal_loss(outputs, phrases, labels, size)
    before = outputs.init_reference_points
    for layer in range(outputs.intermediate_hidden_states.shape[1]):
        hidden = outputs.intermediate_hidden_states[:, layer]
        logits = model.class_embed[layer](
            vision_hidden_state=hidden,
            text_hidden_state=outputs.encoder_last_hidden_state_text,
            text_token_mask=tokens["attention_mask"].bool(),
        )
        boxes = (model.bbox_embed[layer](hidden) + torch.special.logit(before, eps=1e-5)).sigmoid()
        loss = loss + _query_loss(outputs.init_reference_points.detach(), logits, boxes, phrases, labels)
        before = outputs.intermediate_reference_points[:, layer]
    return loss


def _query_loss(
    proposals: torch.Tensor, logits: torch.Tensor, boxes: torch.Tensor, phrases: Any, labels: Any
) -> torch.Tensor:
    """Every query whose proposal (B, Q, 4) is near an object, or nearest to it, shall tell its box and phrase."""
    pictures, queries, wanted, tokens = [], [], [], []
    for picture, label in enumerate(labels):
        true = label["boxes"]
        if not len(true):
            continue
        own = proposals[picture]
        overlap = _overlaps(own[:, None], true)[0]  # (Q, N)
        middle = ((own[:, None, :2] - true[:, :2]).abs() < (true[:, 2:] / 4).clamp(min=0.01)).all(-1)
        chosen = (overlap + 0.1 * middle).argmax(1)
        near = ((overlap >= _NEAR_IOU) | middle).gather(1, chosen[:, None])[:, 0]
        best = overlap.argmax(0)
        touched = overlap.amax(0) > 0.05
        chosen[best[touched]] = torch.arange(len(true))[touched]
        near[best[touched]] = True
        here = near.nonzero()[:, 0]
        pictures.append(torch.full_like(here, picture))
        queries.append(here)
        wanted.append(true[chosen[here]])
        tokens.append(phrases[picture][label["class_labels"]][chosen[here]])
    if not wanted:
        return _loss(logits, boxes[:0, 0], boxes[:0, 0], None)
    at = torch.cat(pictures), torch.cat(queries)
    return _loss(logits, boxes[at], torch.cat(wanted), at, torch.cat(tokens))


def _proposal_loss(outputs: Any, phrases: Any, labels: Any, size: int) -> torch.Tensor:
    """Every place of the encoder in the middle of an object shall propose its box and its phrase."""
    logits, boxes = outputs.enc_outputs_class, outputs.enc_outputs_coord_logits
    centres, levels = _places(size)
    pictures, places, wanted, tokens = [], [], [], []
    for picture, label in enumerate(labels):
        inside = torch.isfinite(boxes[picture]).all(-1)
        for number, box in zip(label["class_labels"].tolist(), label["boxes"], strict=True):
            level = min(len(STRIDES) - 1, max(0, round(math.log2(float(box[2:].max()) / 0.1))))
            reach = torch.maximum(box[2:] / 4, torch.tensor(0.6 * STRIDES[level] / size))
            here = (((centres - box[:2]).abs() < reach).all(-1) & (levels == level) & inside).nonzero()[:, 0]
            pictures.append(torch.full_like(here, picture))
            places.append(here)
            wanted.append(box.expand(len(here), 4))
            tokens.append(phrases[picture][number].expand(len(here), -1))
    if not wanted:
        return _loss(logits, boxes[:0, 0], boxes[:0, 0], None)
    at = torch.cat(pictures), torch.cat(places)
    return _loss(logits, boxes[at].sigmoid(), torch.cat(wanted), at, torch.cat(tokens))


def _loss(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    wanted: torch.Tensor,
    at: tuple[torch.Tensor, ...] | None,
    tokens: torch.Tensor | None = None,
) -> torch.Tensor:
    """`boxes` (n, 4) shall be `wanted`, and score by their overlap with it at the places `at` of `logits`, in the
    `tokens` (n, T) of the phrase where there is a caption; all other scores shall be 0."""
    overlap, general = _overlaps(boxes, wanted)
    scores = torch.zeros_like(logits)
    if at is not None:
        quality = overlap.detach()
        scores[at] = quality if tokens is None else tokens * quality[:, None]
    seen = torch.isfinite(logits)
    told = logits[seen].sigmoid()
    weights = torch.where(scores[seen] > 0, 1.0, 0.75 * told.detach() ** 2)
    misses = functional.binary_cross_entropy_with_logits(logits[seen], scores[seen], reduction="none")
    edges = _EDGE_LOSS * (boxes - wanted).abs().sum() + _OVERLAP_LOSS * (1 - general).sum()
    return (_SCORE_LOSS * (misses * weights).sum() + edges) / max(1, len(boxes))


def _overlaps(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Intersection over union, plain and generalised (Rezatofighi et al. 2019), of boxes that broadcast."""
    (low_a, high_a), (low_b, high_b) = _corners(a), _corners(b)
    common = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(-1)
    union = (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common).clamp(min=1e-9)
    hull = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).prod(-1).clamp(min=1e-9)
    return common / union, common / union - (hull - union) / hull


def _corners(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2


@functools.cache
def _middles(edge: int) -> torch.Tensor:
    """(edge * edge, 2): x and y of the places of a square map, in shares of the picture."""
    steps = (torch.arange(edge) + 0.5) / edge
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


@functools.cache
def _places(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Middles (N, 2) and levels (N,) of the encoder's places."""
    edges = [math.ceil(size / stride) for stride in STRIDES]
    levels = [torch.full((edge * edge,), level) for level, edge in enumerate(edges)]
    return torch.cat([_middles(edge) for edge in edges]), torch.cat(levels)
