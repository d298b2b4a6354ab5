"""Checkpoints of a model: `config.json` and `model.safetensors` in one folder (the Hugging Face layout)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from errors import CheckpointError
from models.config import ReconVLAConfig
from models.reconvla import ReconVLA
from models.weights import WEIGHTS_FILE, check_fit, read_weights, write_atomically, write_weights

CONFIG_FILE = "config.json"
#: The output layer, which is the input embedding again where the two are tied.
_TIED = "language_model.lm_head.weight"


def weights_of(model: ReconVLA) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name, not copied: what `write_weights` takes. Tied ones appear once."""
    tensors = dict(model.state_dict())
    if model.config.language.tied_embeddings:
        del tensors[_TIED]
    return tensors


def save_pretrained(model: ReconVLA, folder: Path) -> None:
    """Write the checkpoint; equal weights give equal bytes of `model.safetensors`."""
    write_weights(weights_of(model), folder / WEIGHTS_FILE)
    save_config(model.config, folder)


def save_config(config: ReconVLAConfig, folder: Path) -> None:
    text = json.dumps({"model_type": "reconvla", **config.to_dict()}, indent=2) + "\n"
    write_atomically(folder / CONFIG_FILE, text.encode())


def load_config(folder: Path) -> ReconVLAConfig:
    """The configuration in `folder`.

    Raises CheckpointError when there is none or it is not ours, ConfigError when a field is wrong.
    """
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict) or values.pop("model_type", None) != "reconvla":
        raise CheckpointError(f"{path} does not describe a model of ours (model_type must be 'reconvla')")
    return ReconVLAConfig.from_dict(values)


def from_pretrained(folder: Path) -> ReconVLA:
    """The model saved in `folder`, on the CPU. Raises CheckpointError or ConfigError when it does not fit."""
    return model_of(load_config(folder), read_weights(folder), source=str(folder))


def model_of(config: ReconVLAConfig, tensors: Mapping[str, Tensor], source: str) -> ReconVLA:
    """A model that owns `tensors` as they are; no weights are drawn first. Raises CheckpointError."""
    with torch.device("meta"):
        model = ReconVLA(config)
    check_fit(tensors, weights_of(model), source)
    model.load_state_dict(dict(tensors), strict=False, assign=True)
    language, vision = model.language_model, model.vision_tower
    if config.language.tied_embeddings:
        language.lm_head.weight = language.model.embed_tokens.weight
    # Neither library stores these tables in a checkpoint.
    language.model.rotary_emb = type(language.model.rotary_emb)(config=language.config)
    vision.embeddings.position_ids = torch.arange(config.vision.patches)[None]
    return model


def load_weights(model: ReconVLA, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy `tensors` into `model` in place; all of them must be there, and nothing else (CheckpointError)."""
    own = weights_of(model)
    check_fit(tensors, own, source)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
