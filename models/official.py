"""Names and configuration of the official ReconVLA checkpoints (`ReconQwen2ForCausalLM`), both ways.

Of the names only prefixes differ: every part keeps the parameter names of its library. The official
`config.json` is Qwen2's with a few `mm_*` entries; those of the vision tower and the autoencoder lie in the
folders that these name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
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
from models.generation_rules import rules_of_folder
from models.json_files import read_json
from models.known_entries import OFFICIAL, check_granted
from models.official_entries import OURS, TOWERS, official_autoencoder, official_vision
from models.part_configs import VisionConfig
from models.picture_values import PICTURE_FILES, normalisation_values, picture_values
from models.plain_values import same_value
from models.sizes import FLUX_LATENTS, SEVEN_B
from models.stored_sizes import count, side
from settings.regular import is_there
from settings.shown import shown

#: Qwen2's tokenizer has this many ids below its special tokens; embeddings have rows beyond them, how many
#: depends on the model's size and on whether it was cut to its tokenizer.
_QWEN2_VOCABULARY = 151_643
#: Fixed in the official denoiser, whatever its width.
_DENOISER_HEADS = 16
_LONGEST_PATH_BYTES, _LONGEST_NAME_BYTES = 2048, 255

#: Fields that an official configuration need not decide.
_OPTIONAL = frozenset(["hidden_act", "norm_eps", "head_width", "act_fn", "quant_conv", "post_quant_conv"])
_GRANTED: Mapping[str, Any] = {"mm_projector_type": "mlp2x_gelu"}

#: (official prefix, ours); the first that fits counts, so `model.` comes last.
_PREFIXES = (
    ("model.vision_tower.vision_tower.vision_model.", "vision_tower."),
    ("model.mm_projector.", "projector."),
    ("model.mm_inv_projector.net.", "denoiser."),
    ("model.pixel_decoder.pixel_decoder.", "latents.autoencoder."),
    ("model.pixel_decoder.", "latents."),  # the toy's fixed projection, which no official checkpoint has
    ("lm_head.", "language_model.lm_head."),
    ("model.", "language_model.model."),
)


def name_from_official(name: str) -> str:
    """Our name of an official tensor. Raises CheckpointError for a name no part of the model has."""
    for official, ours in _PREFIXES:
        if name.startswith(official):
            return ours + name.removeprefix(official)
    raise CheckpointError(f"tensor {shown(name)} is not one of an official ReconVLA checkpoint")


def name_to_official(name: str) -> str:
    """Official name of one of our tensors. Raises CheckpointError for a name of no official part."""
    for official, ours in _PREFIXES:
        if name.startswith(ours):
            return official + name.removeprefix(ours)
    raise CheckpointError(f"tensor {shown(name)} has no official name")


@dataclass(frozen=True)
class OfficialParts:
    """What the folders of an official model say, as fields of our sections; `files` says which file each is from."""

    language: dict[str, Any]
    vision: dict[str, Any]
    latents: dict[str, Any]
    files: dict[str, Path]


def config_of_folder(folder: Path, values: Mapping[str, Any], stored: Mapping[str, Any]) -> ReconVLAConfig:
    """The configuration of an official checkpoint folder whose `config.json` holds `values`.

    stored: its tensors (anything with a `shape`) by official name. What its `generation_config.json` says of the
    choice of tokens is in it. Raises CheckpointError naming file and entry, as `official_parts` does.
    """
    file = folder / "config.json"
    try:
        if OURS in values:
            config = ReconVLAConfig.from_dict(values[OURS])
            _check_agreement(file, values, config)
        else:
            parts = official_parts(folder, values)
            rows = values.get("vocab_size")
            vocabulary = min(rows, _QWEN2_VOCABULARY) if isinstance(rows, int) else 0
            config = _config(parts, stored, vocabulary, values.get("tokenizer_model_max_length"))
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}") from None
    return dataclasses.replace(config, generation=rules_of_folder(folder, values, config.action_ids))


def official_parts(folder: Path, values: Mapping[str, Any], trains: bool = False) -> OfficialParts:
    """What decides the computation of an official model in `folder`, whose `config.json` holds `values`.

    Configurations of vision tower and autoencoder are looked for in the folders that `mm_vision_tower` and
    `mm_pixel_decoder` name, absolute or beside the weights; where there are none, they are those of the released
    recipe, and pictures are normalised as `values` says. trains: whether the model is trained here. Raises
    CheckpointError naming file and entry for what is damaged, contradicts itself or cannot be computed here.
    """
    file = folder / "config.json"
    language = _language(str(file), values, trains)
    tower, decoder = (
        _neighbour(folder, values.get(name)) for name in ("mm_vision_tower", "mm_pixel_decoder")
    )
    if tower is None:
        known = _tower_named(values.get("mm_vision_tower"))
        vision = vision_values(str(file), official_vision(known), trains)
        if values.get("image_mean") is not None or values.get("image_std") is not None:
            vision |= normalisation_values(str(file), values)
    else:
        vision = vision_values(str(tower), read_json(tower), trains)
        vision |= (prepared := picture_values(tower.parent, vision.get("image_size")))
        own = normalisation_values(str(file), values) if values.get("image_mean") is not None else None
        if prepared and own is not None and any(own[name] != prepared[name] for name in own):
            raise CheckpointError(
                f"{file}: image_mean and image_std are {shown(values['image_mean'])} and "
                f"{shown(values.get('image_std'))}, but {tower.parent} has pictures normalised otherwise"
            )
        vision |= {} if own is None else own
    about = official_autoencoder(FLUX_LATENTS) if decoder is None else read_json(decoder)
    latents = autoencoder_values(str(decoder or file), about)
    _check_target_size(file, values, vision, latents)
    return OfficialParts(
        language, vision, latents, {"language": file, "vision": tower or file, "latents": decoder or file}
    )


def _config(
    parts: OfficialParts, stored: Mapping[str, Any], action_vocab_size: int, longest_prompt: Any
) -> ReconVLAConfig:
    for section, names in (
        (parts.vision, VISION_NAMES),
        (parts.language, LANGUAGE_NAMES),
        (parts.latents, LATENT_NAMES),
        (parts.latents["autoencoder"], AUTOENCODER_NAMES),
    ):
        for theirs, ours in names.items():
            if ours not in section and ours not in _OPTIONAL:
                raise CheckpointError(f"official config lacks the entry {shown(theirs)}")
    cut = isinstance(longest_prompt, int) and longest_prompt < parts.language["max_positions"]
    return ReconVLAConfig.from_dict(
        {
            "size": "official",
            "vision": {**parts.vision, "pooling_head": True, "frozen": True},
            "language": {
                **parts.language,
                "action_vocab_size": action_vocab_size,
                "smooth_action_init": False,
                "longest_prompt": longest_prompt if cut else None,
            },
            "latents": parts.latents,
            "denoiser": _denoiser(stored),
        }
    )


def _language(place: str, values: Mapping[str, Any], trains: bool) -> dict[str, Any]:
    check_granted(place, values, _GRANTED)
    others = {name for name in values if name.startswith(("mm_", "image_"))} | OFFICIAL | {OURS}
    return language_values(place, values, trains, others)


def _check_target_size(
    file: Path, values: Mapping[str, Any], vision: Mapping[str, Any], latents: Mapping[str, Any]
) -> None:
    told, side, patch = values.get("decode_image_size"), vision.get("image_size"), vision.get("patch_size")
    if (
        told is None
        or not isinstance(side, int)
        or not isinstance(patch, int)
        or patch <= 0
        or "cell" not in latents
    ):
        return
    size = side // patch * 2 * latents["cell"]
    if told != size:
        raise CheckpointError(
            f"{file}: decode_image_size is {shown(told)}, where {size} px are reconstructed"
        )


def _check_agreement(file: Path, values: Mapping[str, Any], config: ReconVLAConfig) -> None:
    """Raises CheckpointError unless our own part of an official `config.json` says what its other entries say."""
    own = config.all_values()["language"]
    for name, value in _language(str(file), values, trains=False).items():
        if name not in ("vocab_size", "hidden", "layers", "mlp_width") and not same_value(value, own[name]):
            raise CheckpointError(
                f"{file}: its entries and its {OURS} disagree, language.{name} is {shown(value)} by the former and"
                f" {shown(own[name])} by the latter"
            )


def neighbour_files(folder: Path, values: Mapping[str, Any]) -> list[Path]:
    """Files of other folders that decide what the official model in `folder` computes, those that are there."""
    if OURS in values:
        return []
    tower, decoder = (
        _neighbour(folder, values.get(name)) for name in ("mm_vision_tower", "mm_pixel_decoder")
    )
    beside = [] if tower is None else [tower.parent / name for name in PICTURE_FILES]
    return [file for file in (tower, decoder, *beside) if file is not None and is_there(file)]


def _tower_named(named: Any) -> VisionConfig:
    """The SigLIP whose folder has this name on the hub; the released recipe's for any other."""
    names = {name: known for known, name in TOWERS}
    return names.get(Path(named).name, SEVEN_B.vision) if isinstance(named, str) else SEVEN_B.vision


def _neighbour(folder: Path, named: Any) -> Path | None:
    """The config.json of a folder named in the checkpoint's own, or None where it is not on this machine."""
    if not isinstance(named, str):
        return None
    is_path = named.isprintable() and len(named.encode()) <= _LONGEST_PATH_BYTES
    if not is_path or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in named.split("/")):
        return None  # no folder is called so
    for place in (Path(named), folder / named, folder / Path(named).name, folder.parent / Path(named).name):
        if is_there(place / "config.json"):
            return place / "config.json"
    return None


def _denoiser(stored: Mapping[str, Any]) -> dict[str, int] | None:
    net = "model.mm_inv_projector.net."
    depth = count(stored, f"{net}blocks")
    if depth == 0:
        return None
    name = f"{net}x_embedder.proj.weight"
    if (width := side(stored, name)) is None:
        raise CheckpointError(f"official checkpoint has blocks of the denoiser, but lacks {name}")
    return {"width": width, "depth": depth, "heads": _DENOISER_HEADS}
