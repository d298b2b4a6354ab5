"""A GroundingDINO small enough to learn the play table on a processor core: its parts and what it learns from.

Architecture is transformers' own, sizes a hundredth of the released model's, from random weights. The tower is a
ResNet, as in DETR (Carion et al. 2020), because it learns from little; it first learns alone with what proposes
boxes, as an anchor-free detector (FCOS, Tian et al. 2019). Everything behind it then learns from every query near an
object instead of the one that is matched with it (hybrid matching, Jia et al. 2023), with the overlap of its box as
the score that is wanted (varifocal loss, Zhang et al. 2021): with one match an object it would take days.

Boxes are (cx, cy, w, h) in shares of the picture, as in transformers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
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
from transformers.models.grounding_dino.modeling_grounding_dino import (
    GroundingDinoMLPPredictionHead,
    build_label_maps,
)

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
#: Scores are products of normalised vectors without a scale of their own: with words as short as this they begin near
#: 0, not saturated. (The queries must keep their length: the decoder refines boxes before it normalises them.)
_TEXT_SCALE = 0.1
#: Of what words add to places at first. transformers' 1e-4 is for halves that are pretrained.
_FUSION_SCALE = 0.1


class DenseDetector(nn.Module):
    """The tower and what proposes boxes from its places, with a score for every known object instead of a caption's
    words: a GroundingDINO whose encoder changes nothing, in which all that matters is learned in minutes."""

    def __init__(self, objects: int) -> None:
        super().__init__()
        self.tower = ResNetBackbone(ResNetConfig(**_TOWER))  # type: ignore[arg-type]
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, _WIDTH, 1), nn.GroupNorm(32, _WIDTH))
            for channels in self.tower.channels
        )
        self.query, self.norm = nn.Linear(_WIDTH, _WIDTH), nn.LayerNorm(_WIDTH)
        self.box = GroundingDinoMLPPredictionHead(_WIDTH, _WIDTH, 4, 3)
        self.score = nn.Linear(_WIDTH, objects)
        nn.init.constant_(self.score.bias, -4.0)  # objects are rare

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores' logits (B, places, objects) and boxes (B, places, 4) of (B, 3, size, size)."""
        maps = self.tower(pixels).feature_maps
        seen = [level(one).flatten(2).mT for level, one in zip(self.levels, maps, strict=True)]
        queries = self.norm(self.query(functional.layer_norm(torch.cat(seen, 1), (_WIDTH,))))
        return self.score(queries), (self.box(queries) + _anchors(pixels.shape[-1])).sigmoid()


def dense_loss(logits: torch.Tensor, boxes: torch.Tensor, true: torch.Tensor, size: int) -> torch.Tensor:
    """Of a `DenseDetector`'s answer. true: (B, objects, 4), NaN where an object is not in the picture."""
    near = _told_by(torch.nan_to_num(true), size) & ~true[..., :1].isnan()
    picture, number, place = at = near.nonzero(as_tuple=True)
    return _loss(logits.mT, boxes[picture, place], true[picture, number], at)


def small_model(folder: Path, words: Sequence[str], learned: DenseDetector, size: int) -> tuple[Any, Any]:
    """Processor and model, which sees pictures of `size` pixels, knows `words` and proposes what `learned` does."""
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
            decoder_layers=2,
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
    inner = model.model
    tower = {
        name: weight
        for name, weight in learned.tower.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    for theirs, ours in (
        (inner.backbone.conv_encoder.model, tower),  # frozen from here on, as transformers does with a ResNet
        (inner.input_proj_vision, learned.levels.state_dict()),
        (inner.enc_output, learned.query.state_dict()),
        (inner.enc_output_norm, learned.norm.state_dict()),
        (inner.encoder_output_bbox_embed, learned.box.state_dict()),
    ):
        theirs.load_state_dict(ours)
    for layer in inner.encoder.layers:
        nn.init.zeros_(layer.deformable_layer.self_attn.output_proj.weight)
        nn.init.zeros_(layer.deformable_layer.fc2.weight)
        nn.init.zeros_(layer.deformable_layer.fc2.bias)
        nn.init.constant_(layer.fusion_layer.vision_param, _FUSION_SCALE)
        nn.init.constant_(layer.fusion_layer.text_param, _FUSION_SCALE)
        nn.init.constant_(layer.text_enhancer_layer.layer_norm_after.weight, _TEXT_SCALE)
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
    pictures, places, wanted, tokens = [], [], [], []
    for picture, label in enumerate(labels):
        number, place = _told_by(label["boxes"], size).nonzero(as_tuple=True)
        pictures.append(torch.full_like(place, picture))
        places.append(place)
        wanted.append(label["boxes"][number])
        tokens.append(phrases[picture][label["class_labels"][number]])
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


def _told_by(boxes: torch.Tensor, size: int) -> torch.Tensor:
    """(..., N, places) of boxes (..., N, 4): places in the middle of a box, on the level that fits its longer edge."""
    middles, levels = _places(size)
    fitting = (boxes[..., 2:].amax(-1).clamp(min=1e-6) / 0.1).log2().round().clamp(0, len(STRIDES) - 1)
    reach = torch.maximum(boxes[..., 2:] / 4, (0.6 * 8 / size) * 2 ** fitting[..., None])[..., None, :]
    inside = ((middles - boxes[..., None, :2]).abs() < reach).all(-1)
    return inside & (levels == fitting[..., None])


@functools.cache
def _places(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Middles (places, 2) in shares of the picture and levels (places,) of what the encoder sees."""
    middles, levels = [], []
    for level, stride in enumerate(STRIDES):
        edge = math.ceil(size / stride)
        steps = (torch.arange(edge) + 0.5) / edge
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        middles.append(torch.stack([x, y], -1).reshape(-1, 2))
        levels.append(torch.full((edge * edge,), level))
    return torch.cat(middles), torch.cat(levels)


@functools.cache
def _anchors(size: int) -> torch.Tensor:
    """(places, 4): logits of the boxes that are proposed where nothing is learned, GroundingDINO's own."""
    middles, levels = _places(size)
    edges = (0.05 * 2.0**levels)[:, None].expand(-1, 2)
    return torch.special.logit(torch.cat([middles, edges], -1))
