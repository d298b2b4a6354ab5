"""What is converted: the demonstrations of a dataset of any format, one after the other, training before validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from benchmark.tasks import SCENES, UNKNOWN_SCENE
from calvin.conversion.target import Piece
from calvin.dataset import CalvinSplit
from calvin.episode import EXTRAS, FRAME_SHAPES, Extra
from calvin.lerobot_format.held_out import NONE
from calvin.sampled_check import check_sample
from calvin.split import (
    TRAINING,
    VALIDATION,
    Demonstration,
    Reading,
    Record,
    Split,
    annotated_frames,
    left_out,
    open_split,
    splits_at,
    survey_split,
)
from errors import DatasetError
from settings.shown import cut


@runtime_checkable
class HasExtras(Protocol):
    """A split of a format that may hold more of each frame than is used."""

    def extras(self) -> Sequence[str]:
        """Names of all arrays beside CALVIN's six, those of `EXTRAS` and others."""

    def read_extras(self, demonstration: Demonstration, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Those of `EXTRAS`, (T, ...) each. Raises DatasetError for a frame without one, or of another form."""


@dataclass(frozen=True)
class Item:
    """A demonstration to convert. identity: another where its content is. frames: None where nobody knows yet."""

    split: str
    identity: Callable[[], str]
    read: Callable[[int], Piece]
    frames: int | None


@dataclass(frozen=True)
class Source:
    """items: `read` takes the number of frames of the same split before it. arrays: CALVIN's that all have.
    left_out: what does not come along, a part of a sentence each.
    """

    items: tuple[Item, ...]
    records: Mapping[str, Record]
    instructions: Mapping[str, Mapping[str, str]]
    arrays: tuple[str, ...]
    extras: Mapping[str, Extra]
    has_boxes: bool
    digits: int
    left_out: tuple[str, ...] = ()


def opened_source(root: Path, reading: Reading, everything: bool) -> Source:
    """everything: with what `EXTRAS` names. Looks at a sample of frames.

    Raises DatasetError where nothing can be opened, or actions or pictures are not what they should be.
    """
    splits = _splits(root, reading)
    for split in splits:
        check_sample(split)
    items: list[Item] = []
    told: list[str] = []
    names = [_arrays(split) for split in splits]
    arrays = tuple(name for name in FRAME_SHAPES if all(name in of for of in names))
    for split, of in zip(splits, names):
        told += [f"not of {split.split}: {sentence}" for sentence in left_out(split)]
        lost = [name for name in of if name not in arrays]
        told += [f"{name} of {split.split}, which the other split lacks" for name in lost]
        told += _beyond(split)
    extras, sentences = _extras(splits, everything)
    for split in splits:
        items += _items(split, tuple(extras), tuple(name for name in FRAME_SHAPES if name not in arrays))
    return Source(
        tuple(items),
        {split.split: _record(split) for split in splits},
        {split.split: dict(split.validation_instructions) for split in splits},
        arrays,
        extras,
        any(split.boxes_of(split.demonstrations[0]) is not None for split in splits),
        splits[0].frame_digits,
        (*told, *sentences),
    )


def _splits(root: Path, reading: Reading) -> list[Split]:
    """Those that have demonstrations of their own."""
    says_none = (
        reading.validation_episodes is not None and reading.validation_episodes.strip().lower() == NONE
    )
    found = []
    for name in splits_at(root):
        if name == VALIDATION and says_none:  # it would be the same demonstrations once more
            continue
        surveyed, faults = survey_split(root, name, reading)
        if surveyed.demonstrations or faults:
            found.append(open_split(root, name, reading))
    return found or [open_split(root, TRAINING, reading)]


def _arrays(split: Split) -> list[str]:
    frame = split.read_frame(split.demonstrations[0].start)
    return [name for name in FRAME_SHAPES if name in frame]


def _record(split: Split) -> Record:
    told = split.recording()
    return Record(told.renderer, told.scenes, told.losses)


def _extras(splits: Sequence[Split], everything: bool) -> tuple[dict[str, Extra], list[str]]:
    """What is kept beside CALVIN's six arrays, and what is not."""
    of_each = [set(split.extras()) if isinstance(split, HasExtras) else set() for split in splits]
    everywhere = set.intersection(*of_each)
    kept = {name: extra for name, extra in EXTRAS.items() if everything and name in everywhere}
    lost = sorted(set.union(*of_each) - kept.keys())
    told = []
    for names, why in (
        ([name for name in lost if name in EXTRAS], "" if everything else " (--all keeps them)"),
        ([name for name in lost if name not in EXTRAS], ""),
    ):
        if names:
            told.append(f"{len(names)} more arrays of each frame: {cut(', '.join(names), 300)}{why}")
    return kept, told


def _beyond(split: Split) -> list[str]:
    """What a split holds that no format here writes."""
    told = []
    if isinstance(split, CalvinSplit):
        frames = sum(end - start + 1 for start, end in split.recorded) - len(annotated_frames(split))
        if frames:
            told.append(f"{frames} recorded frames that no demonstration covers")
        if _has_embeddings(split):
            told.append("sentence embeddings")
    return [f"{split.split}: {sentence}" for sentence in told]


def _has_embeddings(split: Split) -> bool:
    try:
        embeddings = split.embeddings()
    except DatasetError:  # some that are not read
        return True
    return embeddings is not None and bool(embeddings.any())


def _items(split: Split, extras: tuple[str, ...], without: tuple[str, ...]) -> Iterator[Item]:
    for demonstration, start in zip(split.demonstrations, _starts(split)):
        yield Item(
            split.split,
            partial(split.fingerprint, demonstration),
            partial(_read, split, demonstration, start, extras, without),
            demonstration.end - demonstration.start + 1,
        )


def _read(
    split: Split,
    demonstration: Demonstration,
    start: int,
    extras: tuple[str, ...],
    without: tuple[str, ...],
    before: int,
) -> Piece:
    episode = split.read(demonstration)
    lacking: dict[str, Any] = dict.fromkeys(without)
    episode = replace(episode, start=start, end=start + len(episode) - 1, **lacking)
    if not extras:
        return Piece(episode)
    assert isinstance(split, HasExtras)
    return Piece(episode, split.read_extras(demonstration, extras))


def _starts(split: Split) -> list[int]:
    """The number of each demonstration's first frame: its own, or one counted anew where CALVIN's files could not say
    the same with it: frames of a scene are consecutive there, and a frame has one picture.
    """
    demonstrations = split.demonstrations
    if not _is_scattered(demonstrations) and not (_overlap(demonstrations) and split.recording().losses):
        return [demonstration.start for demonstration in demonstrations]
    starts, begin = [0] * len(demonstrations), 0
    order = {scene: place for place, scene in enumerate((*SCENES, UNKNOWN_SCENE))}
    for place in sorted(range(len(demonstrations)), key=lambda place: order[demonstrations[place].scene]):
        starts[place] = begin
        begin += demonstrations[place].end - demonstrations[place].start + 1
    return starts


def _is_scattered(demonstrations: Sequence[Demonstration]) -> bool:
    """Whether a scene is there again after another."""
    scenes = [demonstration.scene for demonstration in sorted(demonstrations, key=lambda one: one.start)]
    return sum(scene != before for before, scene in pairwise(scenes)) >= len(set(scenes))


def _overlap(demonstrations: Sequence[Demonstration]) -> bool:
    ordered = sorted((one.start, one.end) for one in demonstrations)
    return any(start <= end for (_, end), (start, _) in pairwise(ordered))
