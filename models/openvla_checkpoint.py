"""The released layout of OpenVLA: what its folder holds, under the names that `models.openvla` gives the parts.

A folder has `config.json` (model_type openvla, with the action statistics of each data set), safetensors, the
tokenizer's files, `preprocessor_config.json`, and after fine-tuning `dataset_statistics.json`. The layout is that of
openvla/openvla, prismatic/extern/hf; its towers have timm's names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.embodiment import CALVIN
from errors import CheckpointError, InvalidInput, WeightsMissing
from models.beside import check_beside
from models.checkpoint import CONFIG_FILE, read_json, several_types, typed
from models.openvla import OpenVLA, OpenVLAShape
from models.openvla_entries import check_openvla_entries, openvla_rules
from models.openvla_sizes import action_words, check_language_sizes, picture_side, tower_shape
from models.weight_files import WEIGHTS_FILE, WeightFiles, has_weights, open_weights, weight_file_names
from models.weights import check_fit
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import is_there, read_text
from settings.shown import shown

MODEL_TYPE = "openvla"
STATISTICS_FILE = "dataset_statistics.json"
#: The towers of the released model.
_TIMM_IDS = ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224")
_DINO, _SIGLIP = "vision_backbone.featurizer.", "vision_backbone.fused_featurizer."
#: The code that comes with a checkpoint, and what only that of OpenVLA-OFT and its kin has: chunks decoded at once
#: (also without an action head), states of the robot, several pictures, language in the towers.
_CODE_FILE = "modeling_prismatic.py"
_OF_OFT = re.compile(
    r"NUM_ACTIONS_CHUNK|num_actions_chunk|action_head|proprio_projector|use_proprio|use_film|use_l1_regression|"
    r"use_diffusion|noisy_action|num_images_in_input"
)
#: SigLIP's pooling head and the towers' final norms are not run.
_LEFT = ("attn_pool.", "norm.")
_DINO_NAMES = {
    "pos_embed": "embeddings.position_embeddings",
    "cls_token": "embeddings.cls_token",
    "reg_token": "embeddings.register_tokens",
    "patch_embed.proj.": "embeddings.patch_embeddings.projection.",
    "blocks.": "encoder.layer.",
    ".attn.proj.": ".attention.o_proj.",
    ".attn.": ".attention.",
    ".ls1.scale_factor": ".layer_scale1.lambda1",
    ".ls2.scale_factor": ".layer_scale2.lambda1",
}
_SIGLIP_NAMES = {
    "pos_embed": "embeddings.position_embedding.weight",
    "patch_embed.proj.": "embeddings.patch_embedding.",
    "blocks.": "encoder.layers.",
    ".norm1.": ".layer_norm1.",
    ".norm2.": ".layer_norm2.",
    ".attn.proj.": ".self_attn.out_proj.",
    ".attn.": ".self_attn.",
}


@dataclass(frozen=True)
class ActionStatistics:
    """Of one data set, by dimension: `low` to `high` is what -1 to 1 stands for where `scaled`.

    gripper_middle: between the smallest and the largest gripper command.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    scaled: NDArray[np.bool_]
    gripper_middle: float

    def actions(self, normalised: NDArray[np.float64]) -> NDArray[np.float64]:
        """In the data set's own units."""
        return np.where(self.scaled, 0.5 * (normalised + 1.0) * (self.high - self.low) + self.low, normalised)


@dataclass(frozen=True)
class OpenVLAConfig:
    """`statistics`: by data set. `action_vocabulary`: the last `bins` ids below it are actions."""

    values: Mapping[str, Any]
    image_size: int
    bins: int
    action_vocabulary: int
    statistics: Mapping[str, ActionStatistics]

    def decode(self, tokens: list[int]) -> NDArray[np.float64]:
        """Normalised actions, -1 to 1, of token ids; ids that are no action give the nearest end."""
        edges = np.linspace(-1.0, 1.0, self.bins)
        centres = (edges[:-1] + edges[1:]) / 2.0
        numbers = self.action_vocabulary - np.array(tokens)
        return np.asarray(centres[np.clip(numbers - 1, 0, len(centres) - 1)])

    def name_of(self, name: str | None) -> str:
        """Data set `name`; None: the only one. Raises InvalidInput naming those there are."""
        known = ", ".join(sorted(self.statistics))
        if name is None and len(self.statistics) != 1:
            raise InvalidInput(f"name the data set whose units the actions have (--statistics): {known}")
        name = next(iter(self.statistics)) if name is None else name
        if name not in self.statistics:
            raise InvalidInput(f"--statistics: the model knows no data set {shown(name)}; it knows: {known}")
        return name


def is_openvla(folder: Path) -> bool:
    """Whether the folder's `config.json` says so. Raises OSError for one that is there and cannot be read."""
    try:
        values = parse_json(read_text(folder / CONFIG_FILE))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return False
    return isinstance(values, dict) and values.get("model_type") == MODEL_TYPE


def read_config(folder: Path) -> OpenVLAConfig:
    """Raises CheckpointError for what is missing, damaged, or of another kind of OpenVLA than the released one, with
    the file that shows it.
    """
    file = folder / CONFIG_FILE
    values = read_json(file)
    check_beside(folder, weight_file_names(folder))
    _check_kind(folder, values)
    check_openvla_entries(file, values)
    size = picture_side(file, values, len(_TIMM_IDS))
    bins, vocabulary = action_words(file, values)
    for entry, known in (("timm_model_ids", list(_TIMM_IDS)), ("image_resize_strategy", "resize-naive")):
        if values.get(entry) != known:
            raise CheckpointError(
                f"{file}: {entry} must be {shown(known, 200)}, got {shown(values.get(entry))}"
            )
    stored = values.get("norm_stats")
    if not isinstance(stored, dict):
        raise CheckpointError(f"{file}: norm_stats must be an object, got {shown(stored)}")
    tuned = folder / STATISTICS_FILE
    if is_there(tuned):
        stored = read_json(tuned)
        file = tuned
    statistics = {name: _statistics(file, name, entry) for name, entry in stored.items()}
    if not statistics:
        raise CheckpointError(f"{file} holds no action statistics")
    return OpenVLAConfig(values, size, bins, vocabulary, statistics)


def load_openvla(folder: Path, config: OpenVLAConfig, dtype: torch.dtype | None = None) -> OpenVLA:
    """The model on the CPU. dtype: type of its weights; None keeps the one they were stored in.

    Raises WeightsMissing where there are none, CheckpointError for tensors that do not fit or, without `dtype`, are
    of several types.
    """
    if not has_weights(folder):
        raise WeightsMissing(
            f"{folder} holds no weights of OpenVLA: copy its {WEIGHTS_FILE} or its shards there"
        )
    files = open_weights(folder)
    language = {k: v for k, v in config.values["text_config"].items() if k not in ("torch_dtype", "dtype")}
    shape = OpenVLAShape(
        config.image_size,
        tower_shape(folder, files.stored, _DINO, config.image_size),
        tower_shape(folder, files.stored, _SIGLIP, config.image_size),
        language,
    )
    check_language_sizes(folder / CONFIG_FILE, language, files.stored)
    with torch.device("meta"):
        model = OpenVLA(shape)
    tensors = {name: typed(tensor, dtype) for name, tensor in _renamed(files, shape)}
    check_fit(tensors, model.state_dict(), str(folder))
    types = {tensor.dtype for tensor in tensors.values()}
    if len(types) > 1:
        raise several_types(str(folder), types)
    _check_tied(folder, language, tensors)
    model.load_state_dict(tensors, assign=True)
    model.restore_tables()
    model.source = str(folder)
    model.rules = openvla_rules(folder, config.values, config.action_vocabulary, config.bins)
    return model.eval()


def _check_tied(folder: Path, language: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError for an output layer that is not the embedding it is tied to: the released code overwrites
    the one with the other, later versions of transformers keep both.
    """
    head, embedding = (tensors[f"language_model.{name}.weight"] for name in ("lm_head", "model.embed_tokens"))
    if language.get("tie_word_embeddings") and not torch.equal(head, embedding):
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: text_config.tie_word_embeddings is true, but language_model.lm_head.weight is not"
            " language_model.model.embed_tokens.weight; which of the two is wrong cannot be told"
        )


def _check_kind(folder: Path, values: Mapping[str, Any]) -> None:
    """Raises CheckpointError for what tells that the code it is from computes actions in another way."""
    file = folder / CONFIG_FILE
    for entry in sorted(values):
        if _OF_OFT.search(entry) and values[entry]:
            raise CheckpointError(
                f"{file}: {entry} is {shown(values[entry])}, which the released OpenVLA does not have"
            )
    code = folder / _CODE_FILE
    try:
        found = _OF_OFT.search(read_text(code, errors="replace")) if is_there(code) else None
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{code} cannot be read: {error.strerror}") from None
    if found:
        raise CheckpointError(
            f"{code} is not the released OpenVLA's code but OpenVLA-OFT's or another's ({found[0]}), which computes "
            "actions in another way: this is not a model that can be judged here"
        )


def _renamed(files: WeightFiles, shape: OpenVLAShape) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that the model runs, under its name there."""
    for name in files:
        if name.startswith(_DINO):
            yield from _of_tower(files, name, _DINO, shape.dino.layers, "dino", _DINO_NAMES)
        elif name.startswith(_SIGLIP):
            yield from _of_tower(files, name, _SIGLIP, shape.siglip.layers, "siglip", _SIGLIP_NAMES)
        elif not name.endswith("rotary_emb.inv_freq"):  # a table that older files hold
            yield name, files[name]


def _of_tower(
    files: WeightFiles, name: str, prefix: str, layers: int, part: str, names: Mapping[str, str]
) -> Iterator[tuple[str, Tensor]]:
    own = name.removeprefix(prefix)
    if own.startswith((*_LEFT, f"blocks.{layers - 1}.")):
        return
    tensor, new = files[name], f"{part}.{own}"
    for theirs, ours in names.items():
        new = new.replace(theirs, ours)
    if own == "pos_embed" and part == "siglip":
        yield new, tensor[0]
    elif own == "pos_embed":  # (1, patches, width): timm's class token has no place of its own
        yield new, torch.cat([torch.zeros_like(tensor[:, :1]), tensor], dim=1)
        yield "dino.embeddings.mask_token", torch.zeros_like(tensor[0, :1])  # for training only
    elif ".qkv." in own:
        for projection, third in zip("qkv", tensor.chunk(3)):
            yield new.replace(".qkv.", f".{projection}_proj."), third
    else:
        yield new, tensor


def _statistics(file: Path, name: str, entry: Any) -> ActionStatistics:
    """As released: q01 and q99 are the ends, `mask` tells what was scaled (predict_action)."""
    try:
        action = entry["action"]
        low, high, least, most = (_numbers(action[key], key) for key in ("q01", "q99", "min", "max"))
        mask = action.get("mask", [True] * len(low))
        if not all(value in (True, False) for value in mask):
            raise ValueError(f"mask must tell true or false of each dimension, got {shown(mask)}")
        scaled = np.array(mask, dtype=np.bool_)
        middle = float(least[-1] + most[-1]) / 2
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"{file}: the action statistics of {shown(name)} cannot be read: {shown(error, 300)}"
        ) from None
    if not low.shape == high.shape == scaled.shape == (CALVIN.action_size,):
        raise CheckpointError(
            f"{file}: the action statistics of {shown(name)} must have {CALVIN.action_size} numbers each"
        )
    return ActionStatistics(low, high, scaled, middle)


def _numbers(values: Any, key: str) -> NDArray[np.float64]:
    """JSON knows NaN and Infinity, and texts would pass for numbers."""
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        raise ValueError(f"{key} must hold finite numbers, got {shown(values)}")
    return np.array(values, dtype=np.float64)
