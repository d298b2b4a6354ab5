"""The released layout of OpenVLA: what its folder holds, under the names that `models.openvla` gives the parts.

A folder has `config.json` (model_type openvla, with the action statistics of each data set), safetensors, the
tokenizer's files, `preprocessor_config.json`, and after fine-tuning `dataset_statistics.json`. The layout is that of
openvla/openvla, prismatic/extern/hf; its towers have timm's names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.checkpoint import CONFIG_FILE, read_json
from models.openvla import OpenVLA, OpenVLAShape, TowerShape
from models.weight_files import WEIGHTS_FILE, WeightFiles, has_weights, open_weights
from models.weights import check_fit
from settings.documents import parse_json

MODEL_TYPE = "openvla"
STATISTICS_FILE = "dataset_statistics.json"
#: The towers of the released model; their number of heads cannot be read off the tensors.
_TIMM_IDS = ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224")
_HEADS = 16
_DINO, _SIGLIP = "vision_backbone.featurizer.", "vision_backbone.fused_featurizer."
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
#: Metres and radians of the hand, and the gripper.
ACTION_DIMS = 7


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

    def statistics_named(self, name: str | None) -> ActionStatistics:
        """Of data set `name`; None: of the only one. Raises InvalidInput naming those there are."""
        known = ", ".join(sorted(self.statistics))
        if name is None and len(self.statistics) != 1:
            raise InvalidInput(f"name the data set whose units the actions have (--statistics): {known}")
        name = next(iter(self.statistics)) if name is None else name
        if name not in self.statistics:
            raise InvalidInput(f"--statistics: the model knows no data set {name!r}; it knows: {known}")
        return self.statistics[name]


def is_openvla(folder: Path) -> bool:
    """Whether the folder's `config.json` says so."""
    try:
        values = parse_json((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("model_type") == MODEL_TYPE


def read_config(folder: Path) -> OpenVLAConfig:
    """Raises CheckpointError for what is missing, damaged, or of another kind of OpenVLA than the released one."""
    file = folder / CONFIG_FILE
    values = read_json(file)
    try:
        ids, sizes = tuple(values["timm_model_ids"]), list(values["image_sizes"])
        resizing, bins = values["image_resize_strategy"], int(values["n_action_bins"])
        vocabulary = int(values["text_config"]["vocab_size"]) - int(values["pad_to_multiple_of"])
        stored = dict(values["norm_stats"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file} describes no OpenVLA: {error!r}") from None
    if ids != _TIMM_IDS or len(set(sizes)) != 1:
        raise CheckpointError(
            f"{file}: the towers must be {' and '.join(_TIMM_IDS)} of one size, got {ids} {sizes}"
        )
    if resizing != "resize-naive":
        raise CheckpointError(f"{file}: image_resize_strategy must be 'resize-naive', got {resizing!r}")
    tuned = folder / STATISTICS_FILE
    if tuned.is_file():
        stored = read_json(tuned)
        file = tuned
    statistics = {name: _statistics(file, name, entry) for name, entry in stored.items()}
    if not statistics:
        raise CheckpointError(f"{file} holds no action statistics")
    return OpenVLAConfig(values, int(sizes[0]), bins, vocabulary, statistics)


def load_openvla(folder: Path, config: OpenVLAConfig) -> OpenVLA:
    """The model in the type its weights were stored in, on the CPU.

    Raises WeightsMissing where there are none, CheckpointError for tensors that do not fit.
    """
    if not has_weights(folder):
        raise WeightsMissing(
            f"{folder} holds no weights of OpenVLA: copy its {WEIGHTS_FILE} or its shards there"
        )
    files = open_weights(folder)
    language = {k: v for k, v in config.values["text_config"].items() if k not in ("torch_dtype", "dtype")}
    shape = OpenVLAShape(
        config.image_size,
        _tower_shape(folder, files, _DINO),
        _tower_shape(folder, files, _SIGLIP),
        language,
    )
    with torch.device("meta"):
        model = OpenVLA(shape)
    tensors = dict(_renamed(files, shape))
    check_fit(tensors, model.state_dict(), str(folder))
    model.load_state_dict(tensors, assign=True)
    model.restore_tables()
    return model.eval()


def _tower_shape(folder: Path, files: WeightFiles, prefix: str) -> TowerShape:
    try:
        width, _, patch_size, _ = files.stored[f"{prefix}patch_embed.proj.weight"].shape
        mlp_width = files.stored[f"{prefix}blocks.0.mlp.fc1.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(f"{folder}: the weights have no {error.args[0]}") from None
    places = (re.match(re.escape(prefix) + r"blocks\.(\d+)\.", name) for name in files.stored)
    layers = 1 + max(int(place[1]) for place in places if place)
    registers = files.stored.get(f"{prefix}reg_token")
    return TowerShape(width, layers, _HEADS, mlp_width, patch_size, registers.shape[1] if registers else 0)


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
        low, high = (np.array(action[key], dtype=np.float64) for key in ("q01", "q99"))
        scaled = np.array(action.get("mask", [True] * len(low)), dtype=np.bool_)
        middle = (float(action["min"][-1]) + float(action["max"][-1])) / 2
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"{file}: the action statistics of {name!r} cannot be read: {error!r}"
        ) from None
    if not low.shape == high.shape == scaled.shape == (ACTION_DIMS,):
        raise CheckpointError(
            f"{file}: the action statistics of {name!r} must have {ACTION_DIMS} numbers each"
        )
    return ActionStatistics(low, high, scaled, middle)
