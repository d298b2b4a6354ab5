"""A whole split of episodes, written at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from calvin.annotations import LANGUAGE_FOLDER
from calvin.episode import Episode
from calvin.frames import FrameFiles
from calvin.split import Record
from calvin.split_summary import Summary, facts_of
from calvin.writer import arrays_of, write_frame, write_small_files
from errors import InvalidInput


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
