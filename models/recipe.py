"""From a job's parameters to a model, its prompts and its weights. Shared by training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.embodiment import CALVIN
from errors import CheckpointError
from hub.copies import here, located
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer
from models.assembly import assemble
from models.checkpoint import copy_weights, model_of, weights_of
from models.config import ReconVLAConfig, final_config
from models.folder_config import with_folders
from models.folder_identity import folder_identity
from models.four_bit import pack_blocks
from models.plain_values import require
from models.precision import FOUR_BIT_PRODUCTS, JUDGED
from models.prompt import PromptBuilder
from models.reconvla import ReconVLA
from models.spec import Folder, ModelSpec
from models.tokenizer import build_word_tokenizer, load_tokenizer, pad_id
from models.weight_files import WeightFiles, open_file
from settings.shown import shown

CPU = torch.device("cpu")

#: Parts that a checkpoint need not hold.
_OPTIONAL = ("denoiser.", "latents.")


@dataclass(frozen=True)
class Recipe:
    """Everything about a model but its weights."""

    config: ReconVLAConfig
    prompts: PromptBuilder
    pad_id: int
    reconstructs: str = "gaze"  # or "image", or "none"


def recipe_of(model: ModelSpec) -> Recipe:
    """Recipe of what `experiments.reconvla.model_plan.planned_model` gives.

    Raises ConfigError, and CheckpointError for a tokenizer that cannot be used.
    """
    if model.tokenizer is not None:
        tokenizer = load_tokenizer(located(model.tokenizer.root, "model"))
    else:
        tokenizer = build_word_tokenizer(model.instructions or ())
    config = final_config(model.config, len(tokenizer))
    for name, size in (("action_dims", CALVIN.action_size), ("state_dims", CALVIN.robot_obs_size)):
        require(getattr(config, name) == size, name, f"must be {size}, as CALVIN has it")
    prompts = PromptBuilder(
        tokenizer,
        ActionTokenizer(config.language.action_vocab_size),
        OFFICIAL_STATE_STATISTICS,
        chunk_steps=config.chunk_steps,
        action_dims=config.action_dims,
        box_first=config.grounding == "box",
        state_as_text=config.official_compat,
        words=config.language.vocab_size,
    )
    return Recipe(config, prompts, pad_id(tokenizer), model.reconstructs)


def compatible(recipe: Recipe) -> Recipe:
    """The same model asked as the released server asks it (official code, R3 and R4)."""
    prompts = copy(recipe.prompts)
    prompts.state_as_text = True
    return replace(recipe, config=replace(recipe.config, official_compat=True), prompts=prompts)


def initial_model(
    recipe: Recipe, model: ModelSpec, seed: int, frozen_dtype: torch.dtype = torch.float32
) -> ReconVLA:
    """The model before its first step: the pretrained parts that `model` names, random weights for the rest.

    frozen_dtype: of the parts that adapters leave as they are. Raises WeightsMissing for a folder without
    weights, CheckpointError for weights that do not fit, and as `check_folders` does.
    """
    check_folders(recipe, model)
    return assemble(recipe.config, seed, folders_of(model), frozen_dtype)


def check_folders(recipe: Recipe, model: ModelSpec) -> None:
    """Raises CheckpointError where a folder of `model` is no longer what the job was planned with: other files, or a
    configuration that decides other figures (as a job of an earlier version has it, which did not read them).

    Folders that are not on this machine are no matter: what goes on from a checkpoint needs none.
    """
    folders: dict[str, Folder] = dict(model.backbones.items())
    if model.tokenizer is not None:
        folders["tokenizer"] = model.tokenizer
    for name, folder in folders.items():
        place = here(folder.root, "model")
        if place is not None and place.is_dir() and folder_identity(place) != folder.identity:
            raise CheckpointError(
                f"{place} (model.backbones.{name}) has changed since the ablation was planned: submit it again"
            )
    places = {name: here(folder.root, "model") for name, folder in model.backbones.items()}
    there: dict[str, Path] = {
        name: place for name, place in places.items() if place is not None and place.is_dir()
    }
    said = with_folders(recipe.config, there)
    if said != recipe.config:
        named = ", ".join(_differences(recipe.config.all_values(), said.all_values()))
        raise CheckpointError(
            f"{', '.join(map(str, there.values()))}: the configuration says otherwise than this job was planned with"
            f" ({named}): submit the ablation again"
        )


def folders_of(model: ModelSpec) -> dict[str, Path]:
    """Where the pretrained parts that `model` names lie here, by part."""
    return {name: located(folder.root, "model") for name, folder in model.backbones.items()}


def _differences(planned: Mapping[str, Any], said: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in planned.items():
        other = said[name]
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _differences(value, other, f"{prefix}{name}.")
        elif value != other:
            yield f"{prefix}{name} {shown(value)}, there {shown(other)}"


def load_model(
    config: ReconVLAConfig,
    weights: Path,
    precision: str = "fp32",
    device: torch.device = CPU,
) -> ReconVLA:
    """A model with these weights on `device`, in one of `models.precision.JUDGED`.

    Raises CheckpointError when they do not fit, EnvironmentLacks for 4 bits without bitsandbytes.
    """
    model = model_of(ReconVLA, config, open_file(weights), weights.name, JUDGED[precision])
    return placed(model, precision, device)


def device() -> torch.device:
    """The GPU of this process if it has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def placed(model: ReconVLA, precision: str, device: torch.device) -> ReconVLA:
    """`model` on `device`; for `4bit` the blocks of its language model are packed on the way."""
    if precision == "4bit":
        pack_blocks(model.language_model, FOUR_BIT_PRODUCTS, device)
    return model.to(device)


def start_from(model: ReconVLA, weights: Path) -> None:
    """Initial weights from a pretrained checkpoint. Raises CheckpointError when they do not fit.

    Under `official_compat` the denoiser starts anew, as it does in the official fine-tuning.
    """
    tensors = started_from(model.config, weights)
    copy_weights(taken_over(weights_of(model), tensors), tensors, weights.name)


def started_from(config: ReconVLAConfig, weights: Path) -> WeightFiles:
    """What a model of `config` takes over of a pretrained checkpoint. Raises CheckpointError where it is empty."""
    tensors = open_file(weights)
    if not tensors:
        raise CheckpointError(f"{weights.name} holds no tensors")
    if config.official_compat:
        tensors = tensors.renamed(lambda name: None if name.startswith("denoiser.") else name)
    if config.denoiser is None:
        tensors = tensors.renamed(lambda name: None if name.startswith(_OPTIONAL) else name)
    return tensors


def taken_over(own: Mapping[str, Tensor], tensors: WeightFiles) -> dict[str, Tensor]:
    """Those of a model's tensors that such a checkpoint has to hold: a denoiser that it lacks is left as it is."""
    left = tuple(part for part in _OPTIONAL if not any(name.startswith(part) for name in tensors))
    return {name: tensor for name, tensor in own.items() if not name.startswith(left)}
