"""A checkpoint outside any job: a folder in the Hugging Face layout, or weights with their job's parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError, ConfigError
from models.checkpoint import CONFIG_FILE, read_json
from models.folder_identity import folder_identity
from models.official import neighbour_files
from models.official_entries import MODEL_TYPE
from models.precision import JUDGED
from models.recipe import Recipe, compatible, device, load_model, placed, recipe_of
from models.reconvla import ReconVLA
from policies.reconvla import ReconVLAPolicy
from policies.regions import RegionFinder
from settings.faults import need_fact
from settings.regular import MOST_TEXT_BYTES, read_bytes

#: In which a checkpoint is loaded unless it is told: the type that a folder stores it in, and fp32 for a job's.
AUTO = "auto"


def open_folder(folder: Path, precision: str = AUTO) -> tuple[ReconVLA, Recipe]:
    """Ours or the official one: config.json, safetensors and the tokenizer's files, on the GPU if there is one.

    precision: AUTO or one of `models.precision.JUDGED`. Raises CheckpointError, ConfigError or WeightsMissing,
    naming the file that is missing or wrong; EnvironmentLacks for 4 bits without bitsandbytes.
    """
    model = ReconVLA.from_pretrained(folder, None if precision == AUTO else JUDGED[precision])
    spec = {"config": model.config.to_dict(), "tokenizer": {"root": str(folder)}, "reconstructs": "none"}
    try:
        recipe = recipe_of({"model": spec})
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from None
    words, has = recipe.config.language.vocab_size, model.config.language.vocab_size
    if words != has:  # a toy's are those of its tokenizer
        raise CheckpointError(f"the tokenizer in {folder} has {words} words, and the model {has}")
    return placed(model, precision, device()), recipe


def identity_of(folder: Path) -> str:
    """What tells the model in `folder` from others: SHA-256 of its files, and of an official model's neighbours' files
    that decide what it computes. Raises CheckpointError, WeightsMissing."""
    own = folder_identity(folder)
    values = read_json(folder / CONFIG_FILE)
    others = neighbour_files(folder, values) if values.get("model_type") == MODEL_TYPE else []
    if not others:
        return own
    digest = hashlib.sha256(own.encode())
    for file in others:
        try:
            content = read_bytes(file, MOST_TEXT_BYTES)
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{file} cannot be read: {error.strerror}") from None
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def open_weights(
    model_spec: Mapping[str, Any], weights: Path, precision: str = AUTO
) -> tuple[ReconVLA, Recipe]:
    """`weights` of a job whose parameters have this `model`; else like `open_folder`."""
    recipe = recipe_of({"model": model_spec})
    return load_model(recipe.config, weights, "fp32" if precision == AUTO else precision, device()), recipe


def policy_of(
    model: ReconVLA, recipe: Recipe, batch: int, detector: str, official_compat: bool = False
) -> ReconVLAPolicy:
    """The checkpoint as a policy. `detector` finds the gaze region for a model that is shown it.

    official_compat: asked as the released server asks it (official code, R3 and R4).
    """
    if official_compat:
        recipe = compatible(recipe)
    shown = recipe.config.grounding == "crop"
    regions = RegionFinder({"detector": detector, "options": {}}) if shown else None
    return ReconVLAPolicy(model, recipe, batch=batch, regions=regions)
