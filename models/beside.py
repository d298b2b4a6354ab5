"""What lies beside a checkpoint's weights and would decide its actions in the code it is from: honoured or refused.

That code finds such files by their names, and so must this. A file of tensors that is no part of what is loaded is
refused by name, as it may be an action head, a projector, an adapter or a whole other tower; copies of the whole model
that transformers passes over too, and what a training leaves for its own resumption, are not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from pathlib import Path

from errors import CheckpointError
from models.json_files import read_json
from settings.regular import is_there
from settings.shown import shown
from settings.typed import typed

ADAPTER_FILE = "adapter_config.json"

_TENSOR_SUFFIXES = (
    ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".npy", ".msgpack", ".h5", ".pkl", ".gguf", ".onnx",
)  # fmt: skip
#: Other copies of the whole model: transformers takes safetensors first, and none of a variant it was not asked for.
_VARIANT = r"(\.(fp16|bf16|fp32|ema|non_ema))?"
_COPIES = re.compile(
    rf"(pytorch_model|model|tf_model|flax_model|diffusion_pytorch_model){_VARIANT}(-\d+-of-\d+)?{_VARIANT}"
    r"\.(safetensors|bin|h5|msgpack)"
)
#: What the Trainer of transformers, and DeepSpeed, keep to go on with.
_OF_TRAINING = re.compile(
    r"(training_args|optimizer|scheduler|scaler)\.(bin|pt)|rng_state(_\d+)?\.pth|random_states_\d+\.pkl"
)
#: Folders of intermediate states, which nothing looks into.
_STATES = re.compile(r"checkpoint-\d+|global_step\d+|runs|logs|wandb")


def check_beside(folder: Path, parts: Collection[str]) -> None:
    """Raises CheckpointError naming the first file in `folder` that would decide actions and is not read.

    parts: names of the files whose tensors are read.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if not _STATES.fullmatch(path.name) and (path / ADAPTER_FILE).is_file():
                raise CheckpointError(
                    f"{path} holds an adapter; whether the weights beside it have it merged cannot be told: move it "
                    f"away if they have, else merge the two into a new folder, {_how_to_merge(str(folder), path)}"
                )
        elif path.name in parts or _COPIES.fullmatch(path.name) or _OF_TRAINING.fullmatch(path.name):
            continue
        elif path.suffix in _TENSOR_SUFFIXES:
            raise _refused(
                path, "holds tensors that no part of the model here takes, and may decide its actions"
            )
    check_no_adapter(folder)


def check_no_adapter(folder: Path) -> None:
    """Raises CheckpointError where transformers would take `folder` for an adapter of another model."""
    file = folder / ADAPTER_FILE
    if is_there(file):
        raise CheckpointError(
            f"{file} makes this folder an adapter, which its own code adds to another model: merge the two into a new "
            f"folder, {_how_to_merge('BASE', folder)}, where BASE is {_base_of(file)}"
        )


def _how_to_merge(base: str, adapter: Path) -> str:
    named = base if base == "BASE" else shlex.quote(base)
    return typed(f"checkpoint merge {named} {shlex.quote(str(adapter))} NEW")


def _base_of(file: Path) -> str:
    """What an adapter says it was trained over."""
    try:
        named = read_json(file).get("base_model_name_or_path")
    except CheckpointError:
        named = None
    return (
        f"the folder of {shown(named)}"
        if isinstance(named, str) and named
        else "the model it was trained over"
    )


def _refused(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} {why}: this is not a model that can be judged here; move it away if it is none of the model's"
    )
