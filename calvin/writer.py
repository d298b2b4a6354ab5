"""A split's files in CALVIN's layout, so that `calvin.dataset` and the official loaders read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calvin.annotations import LANGUAGE_FOLDER
from calvin.episode import FRAME_SHAPES, Episode
from calvin.frames import FrameFiles
from calvin.recording import write_record
from calvin.split import Record
from calvin.split_summary import Summary, boxed, no_embeddings
from settings import files


def arrays_of(episode: Episode, position: int) -> dict[str, np.ndarray]:
    """CALVIN's six arrays of the frame at this place of an episode that has them all."""
    return {field: getattr(episode, field)[position] for field in FRAME_SHAPES}


def write_frame(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Plain write: `write_small_files` syncs before anything vouches for it."""
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(path, **named)


def write_small_files(
    folder: Path,
    summary: Summary,
    digits: int,
    record: Record | None,
    validation_instructions: Mapping[str, str] | None,
) -> None:
    """All but the frames; the annotations, without which a folder does not open, come last."""
    (folder / LANGUAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    summary.write(folder, digits)
    if record is not None:
        write_record(folder, summary.recorded, FrameFiles(folder, digits), record)
    if validation_instructions is not None:
        embeddings: dict[str, Any] = {
            task: {"emb": no_embeddings(1), "ann": [phrase]}
            for task, phrase in validation_instructions.items()
        }
        np.save(folder / LANGUAGE_FOLDER / "embeddings.npy", boxed(embeddings), allow_pickle=True)
    os.sync()  # the annotations vouch for the frames, also after a machine was switched off
    with files.whole(folder / LANGUAGE_FOLDER / "auto_lang_ann.npy") as stream:
        np.save(stream, boxed(summary.annotations()), allow_pickle=True)
