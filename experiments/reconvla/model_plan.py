"""The model as a job carries it. Imports no torch, so that planning stays quick.

A job's parameters hold the whole configuration and not just the name of a size: a size whose definition
changes gives other jobs. Only the toy's vocabulary is filled in later, from the tokenizer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from errors import ConfigError, InvalidInput, WeightsMissing
from experiments.reconvla.sections import Attention, Backbones, Evaluation, Method, Model, Training
from hub.copies import located
from hub.names import is_hub_name
from models.config import ReconVLAConfig
from models.folder_config import with_folders
from models.folder_identity import folder_identity
from models.json_files import read_json
from models.official_entries import MODEL_TYPE
from models.short_shapes import is_short_to_train
from models.sizes import config_of_size
from models.spec import PARTS, Folder, ModelSpec
from settings.json_values import JsonObject
from settings.places import expanded
from settings.regular import is_there
from settings.shown import shown
from settings.suggestions import did_you_mean
from settings.typed_json import from_json
from tasks.specs import Precision, TrainingSpec

#: Stands for the toy's vocabulary until its tokenizer is built.
_ANY_VOCABULARY = 1024
_TOKENIZER_FILE = "tokenizer_config.json"


def backbone_folders(backbones: Backbones) -> dict[str, Folder]:
    """The named folders.

    The tokenizer is looked for beside the language model unless it has a folder of its own. Raises
    WeightsMissing for a folder without model files.
    """
    named = {name: value for name, value in backbones.model_dump().items() if value is not None}
    folders: dict[str, Folder] = {}
    for name, value in named.items():
        if is_hub_name(value):
            folders[name] = Folder(root=value, identity=folder_identity(located(value, "model")))
            continue
        place = expanded(value, f"model.backbones.{name}").absolute()
        folders[name] = Folder(root=str(place), identity=folder_identity(place))
    checkpoint = folders.get("checkpoint")
    if checkpoint is not None and "vision" not in folders:
        tower = _tower_of(Path(checkpoint.root))
        if tower is not None:
            folders["vision"] = Folder(root=str(tower.absolute()), identity=folder_identity(tower))
    tokenizer = folders.get("tokenizer") or folders.get("checkpoint") or folders.get("language")
    if tokenizer is not None:
        if not (located(tokenizer.root, "model") / _TOKENIZER_FILE).is_file():
            raise WeightsMissing(
                f"{tokenizer.root} holds no tokenizer ({_TOKENIZER_FILE}); copy it there or name its folder"
                " in model.backbones.tokenizer"
            )
        folders["tokenizer"] = tokenizer
    return folders


def _tower_of(checkpoint: Path) -> Path | None:
    """Where the vision tower of an official checkpoint lies that holds none itself."""
    if not is_there(checkpoint / "config.json"):
        return None
    values = read_json(checkpoint / "config.json")
    if values.get("model_type") != MODEL_TYPE:
        return None
    from models.tower_beside import tower_taken  # imports torch, which few plans need

    return tower_taken(checkpoint, values)


def planned_model(
    model: Model,
    folders: Mapping[str, Folder],
    method: Method,
    reconstruction_weight: float,
    instructions: Sequence[str],
) -> ModelSpec:
    """What a job is told about the model of one arm. `folders` comes from `backbone_folders`.

    Raises ConfigError naming the field that is unknown or does not fit.
    """
    tokenizer = folders.get("tokenizer")
    return ModelSpec(
        config=planned_config(
            model.size,
            model.override,
            method,
            reconstruction_weight,
            model.official_compat,
            {name: located(folder.root, "model") for name, folder in folders.items() if name != "tokenizer"},
        ),
        reconstructs=method.reconstruction,
        backbones={part: folders[part] for part in PARTS if part in folders},
        tokenizer=tokenizer,
        instructions=tuple(instructions) if tokenizer is None else None,
    )


def planned_config(
    size: str,
    override: JsonObject,
    method: Method,
    reconstruction_weight: float = 1.0,
    official_compat: bool = False,
    folders: Mapping[str, Path] | None = None,
) -> dict[str, object]:
    """Configuration of `size` for `method` with `override` merged in, and what the `folders` of pretrained parts say,
    as plain JSON.

    Raises ConfigError naming the field that is unknown, does not fit, or contradicts a folder; CheckpointError for a
    folder's entry that is of another shape, is damaged, or cannot be computed here.
    """
    values = config_of_size(size, _ANY_VOCABULARY if size == "toy" else None).all_values()
    values |= {"grounding": method.grounding, "official_compat": official_compat}
    _merge(values, override, "model.override")
    config = ReconVLAConfig.from_dict(values)
    if method.reconstruction == "none":
        config = config.without_reconstruction()
    elif config.denoiser is None:
        raise ConfigError(f"model size {shown(size)} has no denoiser to reconstruct with")
    else:
        denoiser = dataclasses.replace(config.denoiser, loss_weight=reconstruction_weight)
        config = dataclasses.replace(config, denoiser=denoiser)
    return with_folders(config, folders or {}, override).to_dict()


def check_devices(settings: Training, place: str) -> None:
    """Raises ConfigError for what is trained on one device and is to have several."""
    several = f"is trained on one device, and {place}.devices is {settings.devices}"
    if settings.devices > 1 and settings.lora is not None:
        raise ConfigError(f"{place}.lora {several}: set {place}.devices to 1 or {place}.lora to null")
    if settings.devices > 1 and settings.precision == "fp16":
        raise ConfigError(
            f"{place}.precision fp16 {several}: set {place}.devices to 1 or the precision to bf16"
        )


def planned_stage(settings: Training, place: str, config: JsonObject, in_few: bool = True) -> TrainingSpec:
    """A training stage of the model of `planned_config` as a job is told of it. Held-out frames of early stopping are
    those of open loop. in_few: whether a small model may be trained in few operations.

    Raises as `check_devices`, and ConfigError for a value that no job takes.
    """
    check_devices(settings, place)
    values = settings.model_dump(exclude={"slice_seconds"})
    if settings.early_stopping is not None:
        # Not so in jobs that were planned before.
        values["early_stopping"] |= {"same_frames": True, "by_demonstration": True, "lasting_noise": True}
    if settings.devices > 1:
        values["over"] = "ranks"
    elif (
        in_few
        and settings.precision == "fp32"
        and settings.lora is None
        and not settings.gradient_checkpointing
    ):
        # Not so in jobs that were planned before.
        values["operations"] = "few" if is_short_to_train(ReconVLAConfig.from_dict(config)) else None
    try:
        return from_json(TrainingSpec, values, place)
    except InvalidInput as error:
        entry, _, reason = str(error).removeprefix(f"{place}: ").partition(": ")
        raise ConfigError(f"{place}.{entry}: {reason}") from None


def judged_in(evaluation: Evaluation, training: Training) -> Precision:
    """What jobs load its trained model in."""
    precision = evaluation.precision
    if precision != "auto":
        return precision
    if training.lora is None:
        return "fp32"
    return "4bit" if training.lora.four_bit else training.precision


def check_attention(config: JsonObject, attention: Attention) -> None:
    """Raises ConfigError for a layer or head that the language model of `planned_config` has not."""
    language = ReconVLAConfig.from_dict(config).language
    layers, heads = language.layers, language.heads
    if not -layers <= attention.layer < layers:
        raise ConfigError(
            f"attention.layer: {attention.layer}, but the model has {layers} layer{'s' if layers > 1 else ''}: "
            f"{-layers} to {layers - 1}, and -1 is the last"
        )
    for head in attention.heads:
        if head >= heads:
            raise ConfigError(f"attention.heads: {head}, but the model has heads 0 to {heads - 1}")


def _merge(values: dict[str, object], override: JsonObject, place: str) -> None:
    for key, value in override.items():
        if key not in values:
            near = did_you_mean(key, values)
            raise ConfigError(f"{place}: unknown key {shown(key)}; known: {', '.join(values)}{near}")
        inner = values[key]
        if isinstance(value, Mapping) and isinstance(inner, dict):
            _merge(inner, value, f"{place}.{key}")
        else:
            values[key] = value
