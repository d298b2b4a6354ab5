"""The configuration of a model whose parts come from folders: what they say counts where no tensor shows it.

The one place where a plan, before any weight is read, and the assembly of a model learn of it. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import CheckpointError, ConfigError
from models.config import ReconVLAConfig
from models.folder_values import (
    AUTOENCODER_NAMES,
    LANGUAGE_NAMES,
    LATENT_NAMES,
    VISION_NAMES,
    autoencoder_values,
    language_values,
    vision_values,
)
from models.generation_rules import GENERATION_FILE, rules_of_folder
from models.json_files import read_json
from models.official import official_parts
from models.official_entries import MODEL_TYPE, OURS
from models.picture_values import picture_values
from models.plain_values import plain, same_value
from settings.regular import is_there
from settings.shown import shown

CONFIG_FILE = "config.json"

#: Fields that no shape of a tensor shows, by section: a folder's own are taken over.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "language": (
        "heads", "kv_heads", "head_width", "rope_theta", "rope_scaling", "max_positions", "norm_eps", "hidden_act",
        "sliding_window", "layer_kinds", "tied_embeddings", "action_vocab_size",
    ),
    "vision": ("image_size", "heads", "hidden_act", "norm_eps", "image_mean", "image_std", "resample"),
    "latents": ("scale", "shift"),
    "latents.autoencoder": ("norm_groups", "act_fn", "quant_conv", "post_quant_conv"),
    "denoiser": ("heads",),
    "": ("generation",),
}  # fmt: skip
#: Fields that shapes show: a folder with others does not fit the model.
_SHAPES: Mapping[str, tuple[str, ...]] = {
    "language": ("hidden", "layers", "mlp_width"),
    "vision": ("patch_size", "width", "layers", "mlp_width", "grid"),
    "latents": ("channels", "cell"),
    "latents.autoencoder": ("block_channels", "layers_per_block", "middle_attention"),
}
_NAMES: Mapping[str, Mapping[str, str]] = {
    "language": LANGUAGE_NAMES,
    "vision": VISION_NAMES,
    "latents": LATENT_NAMES,
    "latents.autoencoder": AUTOENCODER_NAMES,
}


@dataclass(frozen=True)
class _Told:
    """Fields of one section of our configuration, and the file that decides them. ours: it calls them as we do."""

    section: str
    values: Mapping[str, Any]
    file: Path
    ours: bool = field(default=False)

    def entry(self, name: str) -> str:
        theirs = {ours: entry for entry, ours in _NAMES.get(self.section, {}).items()}
        return f"{self.section}.{name}".lstrip(".") if self.ours else theirs.get(name, name)


def with_folders(
    config: ReconVLAConfig,
    folders: Mapping[str, Path],
    override: Mapping[str, Any] | None = None,
) -> ReconVLAConfig:
    """`config` with what the folders of its parts say: `vision`, `language`, `autoencoder`, and `checkpoint`, whose
    parts give way to the others'. A folder without `config.json` says nothing.

    override: the user's own `model.override`; where a folder says otherwise that is a ConfigError. Raises
    CheckpointError naming file and entry for a part of another shape, and for what is damaged or cannot be computed
    here.
    """
    values = config.all_values()
    files = []
    for told in _told(config, folders):
        section = _section(values, told.section)
        if section is None:
            continue
        other = _other_shape(told, section)
        if other is not None:
            raise CheckpointError(other)
        taken = _taken(config, told)
        _check_override(told, taken, override or {})
        section |= taken
        files.append(str(told.file))
    try:
        return ReconVLAConfig.from_dict(values)
    except ConfigError as error:
        raise CheckpointError(f"{', '.join(dict.fromkeys(files))}: {error}") from None


def _told(config: ReconVLAConfig, folders: Mapping[str, Path]) -> Iterator[_Told]:
    checkpoint = folders.get("checkpoint")
    if checkpoint is not None and is_there(checkpoint / CONFIG_FILE):
        apart = {"latents" if name == "autoencoder" else name for name in folders if name != "checkpoint"}
        for told in _told_by_checkpoint(config, checkpoint):
            if told.section.partition(".")[0] not in apart and not (
                told.section == "" and "language" in apart
            ):
                yield told
    readers = {"vision": _vision, "language": _language, "autoencoder": _autoencoder}
    for name, read in readers.items():
        if name in folders and is_there(folders[name] / CONFIG_FILE):
            yield from read(config, folders[name], folders[name] / CONFIG_FILE)


def _vision(config: ReconVLAConfig, folder: Path, file: Path) -> Iterator[_Told]:
    told = vision_values(str(file), read_json(file), trains=True)
    yield _Told("vision", told | picture_values(folder, told.get("image_size")), file)


def _language(config: ReconVLAConfig, folder: Path, file: Path) -> Iterator[_Told]:
    values = read_json(file)
    yield _Told("language", language_values(str(file), values, trains=True), file)
    yield _generation(config, folder, values)


def _autoencoder(config: ReconVLAConfig, folder: Path, file: Path) -> Iterator[_Told]:
    if config.denoiser is not None and config.latents.autoencoder is not None:
        yield from _latents(autoencoder_values(str(file), read_json(file)), file)


def _told_by_checkpoint(config: ReconVLAConfig, folder: Path) -> Iterator[_Told]:
    file = folder / CONFIG_FILE
    values = read_json(file)
    kind = values.pop("model_type", None)
    about = values if kind == "reconvla" else values.get(OURS)
    if isinstance(about, Mapping):
        try:
            own = ReconVLAConfig.from_dict(about)
        except ConfigError as error:
            raise CheckpointError(f"{file}: {error}") from None
        everything = own.all_values()
        yield _Told("language", everything["language"], file, ours=True)
        yield _Told("vision", everything["vision"], file, ours=True)
        if own.denoiser is not None and config.denoiser is not None:
            yield from _latents(everything["latents"], file, ours=True)
            yield _Told("denoiser", everything["denoiser"], file, ours=True)
    elif kind == MODEL_TYPE:
        parts = official_parts(folder, {"model_type": kind, **values}, trains=True)
        yield _Told("language", parts.language, parts.files["language"])
        yield _Told("vision", parts.vision, parts.files["vision"])
        if config.denoiser is not None:
            yield from _latents(parts.latents, parts.files["latents"])
    yield _generation(config, folder, values)


def _latents(values: Mapping[str, Any], file: Path, ours: bool = False) -> Iterator[_Told]:
    yield _Told("latents", values, file, ours)
    if values.get("autoencoder") is not None:
        yield _Told("latents.autoencoder", values["autoencoder"], file, ours)


def _generation(config: ReconVLAConfig, folder: Path, values: Mapping[str, Any]) -> _Told:
    actions = None if config.size == "toy" else config.action_ids  # the toy's tokenizer comes later
    rules = rules_of_folder(folder, values, actions)
    file = folder / (GENERATION_FILE if is_there(folder / GENERATION_FILE) else CONFIG_FILE)
    return _Told("", {"generation": plain(rules, whole=True)}, file)


def _section(values: dict[str, Any], name: str) -> dict[str, Any] | None:
    for part in name.split(".") if name else ():
        values = values[part]
        if values is None:
            return None
    return values


def _other_shape(told: _Told, section: Mapping[str, Any]) -> str | None:
    """What is wrong with the part's shape, in one sentence."""

    def grid(values: Mapping[str, Any]) -> Any:
        size, patch = values.get("image_size"), values.get("patch_size")
        return size // patch if isinstance(size, int) and isinstance(patch, int) and patch > 0 else None

    for name in _SHAPES.get(told.section, ()):
        own, theirs = (
            (grid(section), grid(told.values)) if name == "grid" else (section[name], told.values.get(name))
        )
        if theirs is not None and not same_value(own, theirs):
            what = "image_size / patch_size" if name == "grid" else told.entry(name)
            return (
                f"{told.file}: {what} is {shown(theirs)}, the model needs {shown(own)}: name a folder that fits"
                f" model.size, or say its shape in model.override.{told.section}"
            )
    return None


def _taken(config: ReconVLAConfig, told: _Told) -> dict[str, Any]:
    taken = {name: told.values[name] for name in _TAKEN[told.section] if name in told.values}
    if told.section == "language" and not taken.get("rope_scaling"):
        taken.pop("max_positions", None)  # plain positions are computed without it
    if config.size == "toy":
        taken.pop("action_vocab_size", None)  # that of the tokenizer
    return taken


def _check_override(told: _Told, taken: Mapping[str, Any], override: Mapping[str, Any]) -> None:
    said: Any = override
    for part in told.section.split(".") if told.section else ():
        said = said.get(part) if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping):
        return
    for name, value in taken.items():
        if name in said and not same_value(said[name], value):
            place = ".".join(part for part in ("model.override", told.section, name) if part)
            raise ConfigError(
                f"{place} is {shown(said[name])}, but {told.file} says {told.entry(name)} is {shown(value)}: leave it"
                " out, or name another folder"
            )
