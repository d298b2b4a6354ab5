"""Pretrained parts: a fresh model's vision tower, language model and latent encoder from local folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from errors import InvalidInput, WeightsMissing
from models.latents import AutoencoderLatents
from models.reconvla import ReconVLA
from models.weights import WEIGHTS_FILE, check_fit, has_weights, read_weights

AUTOENCODER_FILE = "diffusion_pytorch_model.safetensors"


def load_vision_tower(model: ReconVLA, folder: Path) -> None:
    """SigLIP weights, of the tower alone or of the whole SigLIP (whose text half is left).

    Like its siblings below raises WeightsMissing without weights in `folder`, CheckpointError when they do
    not fit the model's configuration.
    """
    text_half = ("text_model.", "logit_scale", "logit_bias")
    tensors = {
        name.removeprefix("vision_model."): tensor
        for name, tensor in _read(folder, WEIGHTS_FILE, "SigLIP vision tower").items()
        if not name.startswith(text_half)
    }
    if not model.config.vision.pooling_head:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}
    _copy(model.vision_tower, tensors, folder)


def load_language_model(model: ReconVLA, folder: Path) -> None:
    """Qwen2 weights. Where embeddings are tied, an output layer that the file repeats is left."""
    tensors = _read(folder, WEIGHTS_FILE, "Qwen2 language model")
    if model.config.language.tied_embeddings:
        tensors = {**tensors, "lm_head.weight": tensors.get("model.embed_tokens.weight", torch.empty(0))}
    _copy(model.language_model, tensors, folder)


def load_autoencoder(model: ReconVLA, folder: Path) -> None:
    """Weights of the autoencoder whose latents the denoiser reconstructs."""
    if not isinstance(model.latents, AutoencoderLatents):
        raise InvalidInput(f"model size {model.config.size!r} reconstructs without an autoencoder")
    _copy(model.latents.autoencoder, _read(folder, AUTOENCODER_FILE, "autoencoder"), folder)


def _read(folder: Path, file: str, what: str) -> dict[str, Tensor]:
    if not has_weights(folder, file):
        raise WeightsMissing(f"no weights of the {what} in {folder}: copy its {file} and config.json there")
    return read_weights(folder, file)


def _copy(module: Any, tensors: Mapping[str, Tensor], folder: Path) -> None:
    own = module.state_dict()
    check_fit(tensors, own, str(folder))
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
