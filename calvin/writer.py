"""Writes a split in CALVIN's layout, so that `calvin.dataset` and the official loaders read it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calvin.annotations import LANGUAGE_FOLDER
from calvin.episode import FRAME_SHAPES, Episode
from calvin.frames import FrameFiles
from calvin.recording import write_record
from calvin.split import Record
from calvin.split_summary import Summary, boxed, facts_of, no_embeddings
from errors import InvalidInput
from settings import files


def write_split(
    root: Path,
    split: str,
    episodes: Iterable[Episode],
    *,
    digits: int = 7,
    validation_instructions: Mapping[str, str] | None = None,
    drawn_by: str | None = None,
    scenes: str | None = None,
) -> Path:
    """Write `episodes` to the folder `root/split` and return it; each becomes one recorded, annotated
    episode.

    Episodes are taken one at a time and may come from a generator. Language embeddings, which the official
    files carry and nothing here uses, are zeros. `boxes.json` holds the boxes of the frames where they are
    known. `auto_lang_ann.npy` comes last: without it a folder does not open, so half a split is never read.
    drawn_by, scenes: what drew the pictures and whose scenes they show, for `calvin.recording`; where both are
    given, a record of it is left beside the frames.

    Raises InvalidInput when the folder already has content, there is no episode, one lacks an array, episodes share
    frames, only some of them have boxes, or those of one scene are not consecutive.
    """
    folder = Path(root) / split
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} already has content; give an empty or new folder.")
    (folder / LANGUAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    frames = FrameFiles(folder, digits)
    summary = Summary()
    for episode in episodes:
        summary.add(facts_of(episode))
        for position, frame in enumerate(range(episode.start, episode.end + 1)):
            write_frame(frames.path(frame), arrays_of(episode, position))
    record = Record(drawn_by, scenes) if drawn_by is not None and scenes is not None else None
    write_small_files(folder, summary, digits, record, validation_instructions)
    return folder


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
