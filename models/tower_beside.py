"""The vision tower that the released code puts in place of the checkpoint's own.

It builds the model without a tower, so that those tensors of the checkpoint are passed over, and then loads the folder
that `mm_vision_tower` names (recon/model/builder.py, siglip_encoder.py), unless `unfreeze_mm_vision_tower` says that
the tower was trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from errors import CheckpointError
from models.weight_files import WEIGHTS_FILE, WeightFiles, has_weights, open_weights
from settings.shown import shown

#: In the official layout as it is written here: the checkpoint's own tower is meant (models.official).
_SAVED_HERE = "reconvla_config"
_OURS, _THEIRS = "vision_tower.", "vision_model."
#: In the official names of a tower's tensors.
OFFICIAL_TOWER = "model.vision_tower."
#: What a whole SigLIP has beside its vision tower.
TEXT_HALF = ("text_model.", "logit_scale", "logit_bias")


def check_tower(folder: Path, values: Mapping[str, Any], files: WeightFiles) -> None:
    """Raises CheckpointError where the tower's folder is here and holds another tower than the checkpoint.

    values: the checkpoint's official `config.json`; files: its tensors under our names. Tensors are compared in the
    checkpoint's type; those of the layer and the parts that never run are not.
    """
    named = values.get("mm_vision_tower")
    if not isinstance(named, str) or values.get("unfreeze_mm_vision_tower") is True or _SAVED_HERE in values:
        return
    tower = _folder(folder, named)
    if tower is None:
        return
    theirs = open_weights(tower)
    for name in _that_run([name for name in files if name.startswith(_OURS)]):
        own = name.removeprefix(_OURS)
        stored = next((one for one in (_THEIRS + own, own) if one in theirs), None)
        if stored is None or theirs.stored[stored].shape != files.stored[name].shape:
            raise _differs(folder, tower, own)
        mine = files[name]
        if not torch.equal(mine, theirs[stored].to(mine.dtype)):
            raise _differs(folder, tower, own)


def with_tower(folder: Path, values: Mapping[str, Any], files: WeightFiles) -> WeightFiles:
    """`files`, and the tensors of the named tower's folder where the checkpoint has none of a tower: as LLaVA saves its
    models that left it as it was.

    They are read in the checkpoint's own type, as the released code does. Raises CheckpointError where that folder is
    not here, or has no weights.
    """
    if any(name.startswith(_OURS) for name in files):
        return files
    named = values.get("mm_vision_tower")
    tower = _folder(folder, named) if isinstance(named, str) else None
    if tower is None:
        raise CheckpointError(
            f"{folder} holds no vision tower, and mm_vision_tower of its config.json names "
            f"{'none' if named is None else shown(named)}, of which no weights are here: put its folder (config.json "
            f"and {WEIGHTS_FILE}) beside the checkpoint"
        )
    types = {tensor.dtype for name, tensor in files.stored.items() if name.startswith("language_model.")}
    dtype = types.pop() if len(types) == 1 else None
    stored = {}
    for name, tensor in open_weights(tower).stored.items():
        if not name.startswith(TEXT_HALF):
            ours = _OURS + name.removeprefix(_THEIRS)
            stored[ours] = replace(tensor, read_as=dtype if tensor.dtype.is_floating_point else None)
    return WeightFiles({**files.stored, **stored})


def tower_taken(folder: Path, values: Mapping[str, Any]) -> Path | None:
    """The folder that `with_tower` takes the tower of an official checkpoint from; None where that has its own, or no
    such folder is here. Raises as `open_weights` does."""
    named = values.get("mm_vision_tower")
    if not isinstance(named, str) or any(OFFICIAL_TOWER in name for name in open_weights(folder)):
        return None
    return _folder(folder, named)


def _differs(folder: Path, tower: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{folder / 'config.json'}: mm_vision_tower names {tower}, whose {name} is not the checkpoint's; the released "
        "code runs the named tower: name the one that was trained with, or set unfreeze_mm_vision_tower to true where "
        "the checkpoint's own is meant"
    )


def _that_run(names: list[str]) -> list[str]:
    """Without the last layer, the norm after it and the pooling head (models.reconvla, encode_images)."""
    layers = f"{_OURS}encoder.layers."
    numbers = {int(name.removeprefix(layers).partition(".")[0]) for name in names if name.startswith(layers)}
    idle = (f"{layers}{max(numbers, default=0)}.", f"{_OURS}post_layernorm.", f"{_OURS}head.")
    return [name for name in names if not name.startswith(idle)]


def _folder(folder: Path, named: str) -> Path | None:
    """Where `named` lies: itself, or beside the weights; None where it is not on this machine or has no weights."""
    for place in (Path(named), folder / named, folder / Path(named).name, folder.parent / Path(named).name):
        if has_weights(place, WEIGHTS_FILE):
            return place
    return None
