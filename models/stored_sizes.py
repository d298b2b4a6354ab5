"""Sizes that a configuration tells of, and the tensors that should have them: compared before a module is made.

`check_fit` compares every tensor afterwards. What is here keeps a model from being made of ten million layers, or of
2^62 words, that nothing in the file has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from errors import CheckpointError
from models.config import ReconVLAConfig

_LANGUAGE, _VISION, _NET = "language_model.model.", "vision_tower.", "denoiser."
_ENCODER = "latents.autoencoder.encoder.down_blocks"


def check_stored_sizes(
    config: ReconVLAConfig, stored: Mapping[str, Any], source: str, parts: Collection[str] | None = None
) -> None:
    """Raises CheckpointError naming the field of `config` that is larger than the tensors in `stored` have it.

    stored: anything with a `shape` by our names. parts: of the model that are read from it, by default all.
    """
    for part, field, told, found in _sizes(config, stored):
        if (parts is None or part in parts) and told > found:
            raise CheckpointError(
                f"{source}: {field} is {told} by its configuration, its tensors have {found}"
            )


def side(stored: Mapping[str, Any], name: str, dimension: int = 0) -> int | None:
    """The length of a tensor in one dimension; None where there is no such tensor or dimension."""
    shape = tuple(stored[name].shape) if name in stored else ()
    return int(shape[dimension]) if dimension < len(shape) else None


def count(stored: Collection[str], prefix: str) -> int:
    """How many numbers stand behind `prefix.` in names of tensors: layers, blocks."""
    numbered = re.compile(re.escape(prefix) + r"\.(\d{1,6})\.")
    return len({found[1] for name in stored if (found := numbered.match(name))})


def _sizes(config: ReconVLAConfig, stored: Mapping[str, Any]) -> Iterator[tuple[str, str, int, int]]:
    """(part of the model, field, the number by the configuration, that by the tensors)."""
    language, vision, denoiser = config.language, config.vision, config.denoiser
    counted = [
        ("language_model", "language.layers", language.layers, f"{_LANGUAGE}layers"),
        ("vision_tower", "vision.layers", vision.layers, f"{_VISION}encoder.layers"),
    ]
    told = [
        ("language_model", "language.vocab_size", language.vocab_size, f"{_LANGUAGE}embed_tokens.weight", 0),
        ("language_model", "language.hidden", language.hidden, f"{_LANGUAGE}embed_tokens.weight", 1),
        (
            "language_model",
            "language.mlp_width",
            language.mlp_width,
            f"{_LANGUAGE}layers.0.mlp.gate_proj.weight",
            0,
        ),
        ("vision_tower", "vision.width", vision.width, f"{_VISION}embeddings.patch_embedding.weight", 0),
        (
            "vision_tower",
            "vision.patch_size",
            vision.patch_size,
            f"{_VISION}embeddings.patch_embedding.weight",
            2,
        ),
        (
            "vision_tower",
            "vision.mlp_width",
            vision.mlp_width,
            f"{_VISION}encoder.layers.0.mlp.fc1.weight",
            0,
        ),
        (
            "vision_tower",
            "vision.image_size in patches",
            vision.patches,
            f"{_VISION}embeddings.position_embedding.weight",
            0,
        ),
    ]
    if denoiser is not None:
        counted.append(("denoiser", "denoiser.depth", denoiser.depth, f"{_NET}blocks"))
        told.append(("denoiser", "denoiser.width", denoiser.width, f"{_NET}x_embedder.proj.weight", 0))
        autoencoder = config.latents.autoencoder
        if autoencoder is None:
            told.append(("latents", "latents.cell", config.latents.cell, "latents.basis", 2))
        else:
            each, stages = autoencoder.layers_per_block, len(autoencoder.block_channels)
            counted.append(("latents", "latents.autoencoder.block_channels", stages, _ENCODER))
            counted.append(("latents", "latents.autoencoder.layers_per_block", each, f"{_ENCODER}.0.resnets"))
    for part, field, number, prefix in counted:
        yield part, field, number, count(stored, prefix)
    for part, field, number, name, dimension in told:
        found = side(stored, name, dimension)
        if found is not None:  # what is missing altogether is told by `check_fit`
            yield part, field, number, found
