"""From a job's parameters to a model, its prompts and its weights. Shared by training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import CheckpointError
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.checkpoint import load_weights
from models.config import ReconVLAConfig
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from models.tokenizer import build_word_tokenizer, load_tokenizer, pad_id
from models.weights import read_file
from tasks.model_spec import final_config


@dataclass(frozen=True)
class Recipe:
    """Everything about a model but its weights."""

    config: ReconVLAConfig
    prompts: PromptBuilder
    pad_id: int


def recipe_of(spec: Mapping[str, Any]) -> Recipe:
    """Recipe of `spec["model"]`: config, and instructions (the toy's vocabulary) or tokenizer (a folder)."""
    model = spec["model"]
    folder = model.get("tokenizer")
    tokenizer = load_tokenizer(Path(folder)) if folder else build_word_tokenizer(model["instructions"])
    config = final_config(model["config"], len(tokenizer))
    prompts = PromptBuilder(
        tokenizer, ActionTokenizer(config.language.action_vocab_size), OFFICIAL_STATE_STATISTICS
    )
    return Recipe(config, prompts, pad_id(tokenizer))


def load_model(config: ReconVLAConfig, weights: Path) -> ReconVLA:
    """A model with these weights. Raises CheckpointError when they do not fit."""
    model = ReconVLA.initialise(config, seed=0)
    load_weights(model, read_file(weights), str(weights.name))
    return model


def start_from(model: ReconVLA, weights: Path) -> None:
    """Initial weights from a pretrained checkpoint. Raises CheckpointError when they do not fit."""
    tensors = read_file(weights)
    if model.config.denoiser is None:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("denoiser.")}
    if not tensors:
        raise CheckpointError(f"{weights.name} holds no tensors")
    load_weights(model, tensors, weights.name)
