"""The units in which a model is divided over ranks: what of it is gathered, computes and is let go together.

Layers of the vision tower and of the language model, its output layer and its embedding where the two are not tied, and
the denoiser's blocks. What is left (projector, norms, tied embeddings, the edges of tower and denoiser) is a last unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from models.reconvla import ReconVLA


@dataclass(frozen=True)
class Unit:
    """Parameters that are gathered together. half: in the type of products, else in float32."""

    name: str
    module: nn.Module
    half: bool


def units_of(model: ReconVLA) -> Iterator[Unit]:
    """All units but the last one, which is everything else."""
    tower, language = model.vision_tower, model.language_model
    for number, layer in enumerate(tower.encoder.layers):
        yield Unit(f"vision_tower.encoder.layers.{number}", layer, True)
    if model.config.vision.pooling_head:
        yield Unit("vision_tower.head", tower.head, True)
    for number, layer in enumerate(language.model.layers):
        yield Unit(f"language_model.model.layers.{number}", layer, True)
    if not model.config.language.tied_embeddings:
        yield Unit("language_model.model.embed_tokens", language.model.embed_tokens, False)
        yield Unit("language_model.lm_head", language.lm_head, True)
    if model.denoiser is not None:
        for number, block in enumerate(model.denoiser.blocks):
            yield Unit(f"denoiser.blocks.{number}", block, False)
