"""A LoRA adapter of PEFT, in a folder of its own, put into the weights that it was trained over.

The sum is made in float32 and rounded once, to the type of the weights. What else was trained lies whole in the
adapter, or beside it where LLaVA's code trained it (`non_lora_trainables.bin`), and takes the place of what the weights
hold.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from errors import CheckpointError
from models.beside import ADAPTER_FILE
from models.json_files import read_json
from models.weight_files import WeightFiles, index_path, open_file, open_weights
from models.weights import SHARD_BYTES, write_sharded
from settings.faults import gives_memory, need_fact
from settings.files import write
from settings.regular import MOST_TEXT_BYTES, is_there, open_regular, read_bytes
from settings.shown import cut, shown

ADAPTER_WEIGHTS = "adapter_model"
OTHERS = "non_lora_trainables.bin"

#: Entries that are heeded, say where it was trained, or decide nothing once it is.
_HEEDED = frozenset({
    "peft_type", "r", "lora_alpha", "use_rslora", "task_type", "auto_mapping", "base_model_name_or_path", "revision",
    "inference_mode", "target_modules", "exclude_modules", "modules_to_save", "lora_dropout", "peft_version",
    "layers_to_transform", "layers_pattern", "megatron_core", "loftq_config", "runtime_config", "qalora_group_size",
})  # fmt: skip
#: What begins with other weights than those of the folder that is named, or computes otherwise, where it is not this.
_PLAIN: Mapping[str, tuple[object, ...]] = {"bias": ("none",), "init_lora_weights": (True, False, "gaussian")}
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<which>[AB])(?:\.default)?\.weight")
#: Of a model's folder: what says how it computes and speaks. Of those with weights none.
_COPIED = re.compile(r".+\.(json|jinja|model|txt)")
_NOT_COPIED = re.compile(r"adapter_config\.json|trainer_state\.json|.+\.index\.json")


@dataclass(frozen=True)
class Merged:
    """How many tensors the adapter was added to, how many were trained whole, and its rank."""

    added_to: int
    whole: int
    rank: int


@dataclass(frozen=True)
class _Adapter:
    """factors: by the tensor of the model that they are added to, (A, B). whole: tensors by their name in the model."""

    scale: float
    rank: int
    factors: Mapping[str, tuple[Tensor, Tensor]]
    whole: Mapping[str, Tensor]


def merge_adapter(base: Path, adapter: Path, folder: Path, shard_bytes: int = SHARD_BYTES) -> Merged:
    """Writes the model of `base` with the adapter in `adapter` into `folder`, which is there and empty.

    Raises CheckpointError for what is no LoRA adapter, one that PEFT computes in another way, or one that is not of
    this base.
    """
    files, given = open_weights(base), _adapter_of(adapter)
    _check_fit(files, given, base, adapter)
    dtype = _type_of(files)
    empty = {name: _empty(stored.shape, stored.dtype) for name, stored in files.stored.items()}
    for name, tensor in given.whole.items():
        held = files.stored.get(name)
        empty[name] = _empty(tensor.shape, dtype if held is None else held.dtype)
    names = {id(tensor): name for name, tensor in empty.items()}

    def merged(placeholder: Tensor) -> Tensor:
        name = names[id(placeholder)]
        if name in given.whole:
            return given.whole[name].to(placeholder.dtype)
        if name not in given.factors:
            return files[name]
        a, b = given.factors[name]
        return (files[name].float() + b.float() @ a.float() * given.scale).to(placeholder.dtype)

    write_sharded(empty, folder, shard_bytes, fetch=merged)
    _copy_texts(base, folder)
    _copy_texts(adapter, folder)
    return Merged(len(given.factors), len(given.whole), given.rank)


def _adapter_of(folder: Path) -> _Adapter:
    file = folder / ADAPTER_FILE
    rank, scale = _rank_and_scale(file, read_json(file))
    factors: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in _stored(folder).items():
        own = name.removeprefix("base_model.model.")
        factor = _FACTOR.fullmatch(own)
        if factor is not None:
            factors.setdefault(f"{factor['module']}.weight", {})[factor["which"]] = tensor
        elif "lora_" in own:
            raise CheckpointError(f"{folder}: {shown(name)} is no factor of a linear layer, and is not read")
        else:
            whole[own.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".")] = tensor
    if is_there(folder / OTHERS):
        others = {
            name.removeprefix("base_model."): tensor for name, tensor in _pickled(folder / OTHERS).items()
        }
        nested = any(name.startswith("model.model.") for name in others)
        whole |= {name.removeprefix("model.") if nested else name: tensor for name, tensor in others.items()}
    for target, both in factors.items():
        if set(both) != {"A", "B"}:
            raise CheckpointError(f"{folder}: it has one of the two factors of {cut(target)}")
        if both["A"].ndim != 2 or both["B"].ndim != 2 or {both["A"].shape[0], both["B"].shape[1]} != {rank}:
            shapes = f"{tuple(both['A'].shape)} and {tuple(both['B'].shape)}"
            raise CheckpointError(
                f"{folder}: the factors of {cut(target)} have shapes {shapes}, not of rank {rank}"
            )
    if not factors and not whole:
        raise CheckpointError(f"{folder}: its adapter holds no tensors")
    return _Adapter(scale, rank, {name: (both["A"], both["B"]) for name, both in factors.items()}, whole)


def _rank_and_scale(file: Path, values: Mapping[str, Any]) -> tuple[int, float]:
    if values.get("peft_type") != "LORA":
        raise CheckpointError(
            f"{file}: peft_type is {shown(values.get('peft_type'))}; only LORA can be merged here"
        )
    for name, value in values.items():
        plain = any(value is one or (isinstance(one, str) and value == one) for one in _PLAIN.get(name, ()))
        if name not in _HEEDED and not plain and value not in (None, False, "", [], {}):
            raise CheckpointError(
                f"{file}: {cut(name)} is {shown(value)}, which is not computed here: merge it with the code that "
                "trained it (in PEFT, merge_and_unload and save_pretrained)"
            )
    rank, alpha = values.get("r"), values.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise CheckpointError(f"{file}: r is {shown(rank)}, not a rank")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise CheckpointError(f"{file}: lora_alpha is {shown(alpha)}, not a number")
    return rank, alpha / (math.sqrt(rank) if values.get("use_rslora") else rank)


def _stored(folder: Path) -> Mapping[str, Tensor]:
    file = folder / f"{ADAPTER_WEIGHTS}.safetensors"
    if is_there(file) or not is_there(folder / f"{ADAPTER_WEIGHTS}.bin"):
        return open_file(file)
    return _pickled(folder / f"{ADAPTER_WEIGHTS}.bin")


def _pickled(file: Path) -> Mapping[str, Tensor]:
    """Nothing but tensors is read of it, so that nothing of it runs."""
    try:
        with open_regular(file) as stream:
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        need_fact(error)
        if isinstance(error, RuntimeError) and not gives_memory(file.stat().st_size):
            raise  # as which torch tells that it was given none
        raise CheckpointError(
            f"{file} holds no tensors by name, or is damaged ({type(error).__name__})"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(one, Tensor) for one in content.values()):
        raise CheckpointError(f"{file} holds something else than tensors by name")
    return {str(name): tensor for name, tensor in content.items()}


def _check_fit(files: WeightFiles, given: _Adapter, base: Path, adapter: Path) -> None:
    for name, (a, b) in given.factors.items():
        held = files.stored.get(name)
        if held is None:
            raise CheckpointError(f"{adapter} is of another model than {base}, which has no {cut(name)}")
        if held.shape != (b.shape[0], a.shape[1]):
            raise CheckpointError(
                f"{adapter} is of another model than {base}, whose {cut(name)} has shape {held.shape} and not "
                f"{(b.shape[0], a.shape[1])}"
            )
    for name, tensor in given.whole.items():
        held = files.stored.get(name)
        if held is not None and held.shape != tuple(tensor.shape):
            raise CheckpointError(
                f"{adapter} is of another model than {base}, whose {cut(name)} has shape {held.shape} and not "
                f"{tuple(tensor.shape)}"
            )


def _type_of(files: WeightFiles) -> torch.dtype:
    """Of what the base does not hold: the type of most of its numbers."""
    sizes: dict[torch.dtype, int] = {}
    for stored in files.stored.values():
        sizes[stored.dtype] = sizes.get(stored.dtype, 0) + stored.size_bytes
    return max(sizes, key=lambda dtype: sizes[dtype])


def _empty(shape: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def _copy_texts(place: Path, folder: Path) -> None:
    index = index_path(place).name
    for path in sorted(place.iterdir()):
        if not _COPIED.fullmatch(path.name) or _NOT_COPIED.fullmatch(path.name) or path.name == index:
            continue
        try:
            content = read_bytes(path, MOST_TEXT_BYTES)
        except OSError as error:
            need_fact(error)
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
        write(folder / path.name, content)
