"""The weights that training over ranks begins with, as files of which every rank reads its own rows.

What comes from files is read where it lies. A part that follows from a seed is made by the first rank, which holds it
whole until it is written, one part after another: no process ever holds more than the largest such part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from errors import CheckpointError
from models.assembly import files_of
from models.checkpoint import weights_of
from models.recipe import Recipe, check_folders, folders_of, started_from, taken_over
from models.reconvla import PARTS, ReconVLA, build_part
from models.spec import ModelSpec
from models.stored_sizes import check_stored_sizes
from models.weight_files import WeightFiles, open_file
from models.weights import check_fit, write_weights


@dataclass(frozen=True)
class Beginning:
    """files: what is read where it lies. made: parts that `write_made` makes. source: for people."""

    files: WeightFiles
    made: tuple[str, ...]
    source: str


def beginning(recipe: Recipe, model: ModelSpec, init: Path | None) -> Beginning:
    """Of the same weights as `initial_model`, and `start_from` where there is an `init`, give. Raises as these do."""
    check_folders(recipe, model)
    folders = folders_of(model)
    config, files = files_of(recipe.config, folders)
    source = ", ".join(str(folder) for folder in folders.values()) or "a seed"
    check_stored_sizes(config, files.stored, source, {name.partition(".")[0] for name in files})
    with torch.device("meta"):
        own = weights_of(ReconVLA(config))
    if init is not None:
        given = started_from(config, init)
        check_fit(given, taken_over(own, given), init.name)
        files = WeightFiles({**files.stored, **given.stored})
        source = init.name
    read = {name.partition(".")[0] for name in files}
    made = tuple(part for part in PARTS if part not in read and any(n.startswith(f"{part}.") for n in own))
    return Beginning(files, made, source)


def write_made(
    recipe: Recipe,
    begin: Beginning,
    seed: int,
    folder: Path,
    moved: Callable[[], object] = lambda: None,
) -> None:
    """Make the parts that no file holds, each a file in `folder`. moved: called as they are written."""
    tied = recipe.config.language.tied_embeddings
    for part in begin.made:
        module = build_part(recipe.config, part, seed)
        tensors = {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
        if tied:
            tensors.pop("language_model.lm_head.weight", None)
        write_weights(tensors, folder / f"{part}.safetensors", seen=lambda _: moved())


def all_files(begin: Beginning, folder: Path) -> WeightFiles:
    """Everything, once the first rank has written what is made. Raises CheckpointError for a part that is not there."""
    stored = dict(begin.files.stored)
    for part in begin.made:
        stored |= open_file(folder / f"{part}.safetensors").stored
    if not stored:
        raise CheckpointError(f"{begin.source}: no weights")
    return WeightFiles(stored)
