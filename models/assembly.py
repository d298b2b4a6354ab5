"""A model put together from pretrained parts in local folders, and random weights for the rest.

No weights are drawn for a part that is read, and none is ever held twice: 7B in half precision takes 15 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from models.checkpoint import fill, open_checkpoint
from models.config import ReconVLAConfig
from models.folder_config import with_folders
from models.pretrained import autoencoder_weights, language_weights, vision_weights
from models.reconvla import PARTS, ReconVLA, build_part
from models.stored_sizes import check_stored_sizes
from models.weight_files import WeightFiles

_READERS = {"vision": vision_weights, "language": language_weights, "autoencoder": autoencoder_weights}


def assemble(
    config: ReconVLAConfig,
    seed: int,
    folders: Mapping[str, Path],
    frozen_dtype: torch.dtype = torch.float32,
) -> ReconVLA:
    """The model of `config` with the parts that `folders` name; what they lack follows from `seed`.

    What the folders' configurations say counts (`folder_config.with_folders`): the model's `config` has it.

    folders: `vision`, `language`, `autoencoder`, or `checkpoint`, a whole ReconVLA of ours or the official
    layout, whose parts give way to the others'. frozen_dtype: type of the language model and vision tower that
    are read; the rest is float32. Raises WeightsMissing for a folder without weights, CheckpointError for
    weights that do not fit.
    """
    config, files = files_of(config, folders)
    read_parts = {name.partition(".")[0] for name in files}
    source = ", ".join(str(folder) for folder in folders.values())
    check_stored_sizes(config, files.stored, source, read_parts)
    with torch.device("meta"):
        model = ReconVLA(config)
    for part in PARTS:
        if part not in read_parts:
            setattr(model, part, build_part(config, part, seed))

    def dtype_of(name: str) -> torch.dtype:
        return frozen_dtype if name.startswith(("language_model.", "vision_tower.")) else torch.float32

    fill(model, files, source, dtype_of, parts=read_parts)
    return model


def files_of(config: ReconVLAConfig, folders: Mapping[str, Path]) -> tuple[ReconVLAConfig, WeightFiles]:
    """The model's configuration as `folders` say it, and the tensors of the parts that they hold. Raises as `assemble`,
    but for sizes."""
    config = with_folders(config, folders)
    files = WeightFiles({})
    if "checkpoint" in folders:
        _, files = open_checkpoint(folders["checkpoint"], autoencoder=True, tower="vision" not in folders)
        if config.denoiser is None:
            unused = ("denoiser.", "latents.")
            files = files.renamed(lambda name: None if name.startswith(unused) else name)
    for name, read in _READERS.items():
        if name in folders and (name != "autoencoder" or config.denoiser is not None):
            own = read(config, folders[name])
            parts = tuple({f"{tensor.partition('.')[0]}." for tensor in own})
            files = WeightFiles(
                {n: t for n, t in files.stored.items() if not n.startswith(parts)} | own.stored
            )
    return config, files
