"""Names and configuration of the official ReconVLA checkpoints (`ReconQwen2ForCausalLM`), both ways.

Only prefixes differ: every part keeps the parameter names of its library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from errors import CheckpointError
from models.checkpoint import load_weights, weights_of
from models.config import (
    AutoencoderConfig,
    DenoiserConfig,
    LanguageConfig,
    LatentConfig,
    ReconVLAConfig,
    VisionConfig,
)
from models.reconvla import ReconVLA

#: (official prefix, ours); the first that fits counts, so `model.` comes last.
_PREFIXES = (
    ("model.vision_tower.vision_tower.vision_model.", "vision_tower."),
    ("model.mm_projector.", "projector."),
    ("model.mm_inv_projector.net.", "denoiser."),
    ("model.pixel_decoder.pixel_decoder.", "latents.autoencoder."),
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


def name_from_official(name: str) -> str:
    """Our name of an official tensor. Raises CheckpointError for a name no part of the model has."""
    for official, ours in _PREFIXES:
        if name.startswith(official):
            return ours + name.removeprefix(official)
    raise CheckpointError(f"tensor {name!r} is not one of an official ReconVLA checkpoint")


def name_to_official(name: str) -> str:
    """Official name of one of our tensors. Raises CheckpointError for a name of no official part."""
    for official, ours in _PREFIXES:
        if name.startswith(ours):
            return official + name.removeprefix(ours)
    raise CheckpointError(f"tensor {name!r} has no official name")


def load_official(model: ReconVLA, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy an official state dict into `model`. Raises CheckpointError when it does not fit exactly.

    A model without a denoiser has no use for the latent encoder that official checkpoints still carry.
    """
    ours = {name_from_official(name): tensor for name, tensor in tensors.items()}
    if model.latents is None:
        ours = {name: tensor for name, tensor in ours.items() if not name.startswith("latents.")}
    load_weights(model, ours, source)


def official_weights(model: ReconVLA) -> dict[str, Tensor]:
    """The model's tensors under their official names."""
    return {name_to_official(name): tensor for name, tensor in weights_of(model).items()}


def config_from_official(
    language: Mapping[str, Any],
    vision: Mapping[str, Any],
    autoencoder: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    action_vocab_size: int,
) -> ReconVLAConfig:
    """Our configuration from the three `config.json` of an official model.

    The denoiser's size is no entry of theirs, so it is read off the shapes in `tensors`; its 16 heads are
    fixed in the official code. Without denoiser weights (official fine-tuning drops them) there is none.
    Raises CheckpointError naming an entry that is missing.
    """
    try:
        return ReconVLAConfig(
            size="official",
            vision=VisionConfig(
                image_size=vision["image_size"],
                patch_size=vision["patch_size"],
                width=vision["hidden_size"],
                layers=vision["num_hidden_layers"],
                heads=vision["num_attention_heads"],
                mlp_width=vision["intermediate_size"],
                pooling_head=True,
                frozen=True,
            ),
            language=LanguageConfig(
                vocab_size=language["vocab_size"],
                action_vocab_size=action_vocab_size,
                hidden=language["hidden_size"],
                layers=language["num_hidden_layers"],
                heads=language["num_attention_heads"],
                kv_heads=language["num_key_value_heads"],
                mlp_width=language["intermediate_size"],
                max_positions=language["max_position_embeddings"],
                rope_theta=float(language["rope_theta"]),
                tied_embeddings=language["tie_word_embeddings"],
                smooth_action_init=False,
            ),
            latents=LatentConfig(
                channels=autoencoder["latent_channels"],
                cell=2 ** (len(autoencoder["block_out_channels"]) - 1),
                scale=autoencoder["scaling_factor"],
                shift=autoencoder["shift_factor"],
                autoencoder=AutoencoderConfig(
                    block_channels=tuple(autoencoder["block_out_channels"]),
                    layers_per_block=autoencoder["layers_per_block"],
                    norm_groups=autoencoder["norm_num_groups"],
                    middle_attention=autoencoder["mid_block_add_attention"],
                ),
            ),
            denoiser=_denoiser(tensors),
        )
    except KeyError as error:
        raise CheckpointError(f"official config lacks the entry {error}") from error


def _denoiser(tensors: Mapping[str, Tensor]) -> DenoiserConfig | None:
    blocks = "model.mm_inv_projector.net.blocks."
    depth = len({name.removeprefix(blocks).split(".")[0] for name in tensors if name.startswith(blocks)})
    if depth == 0:
        return None
    width = tensors["model.mm_inv_projector.net.x_embedder.proj.weight"].shape[0]
    return DenoiserConfig(width=width, depth=depth, heads=16)
