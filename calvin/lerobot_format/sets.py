"""Which demonstrations of a LeRobot set are of which split: one root holds both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calvin.episode import FRAME_SHAPES
from calvin.lerobot_format.dataset import Dataset, load_dataset
from calvin.lerobot_format.held_out import Parts, equal_episodes, parted, sampled_frames
from calvin.lerobot_format.said_scenes import parsed_scenes
from calvin.lerobot_format.split import LeRobotSplit
from calvin.split import NOTHING_SAID, TRAINING, VALIDATION, Demonstration, Reading, Split, open_split
from errors import DatasetError
from settings.shown import cut, shown

#: Names of which a set's meta/ has one at least.
_SIGNS = ("info.json", "episodes.jsonl", "tasks.jsonl", "tasks.parquet", "episodes")


class LeRobotSets:
    """One root holds both splits: which episodes are of which is found out, or told."""

    def __init__(self, reading: Reading = NOTHING_SAID) -> None:
        self._reading = reading

    def told(self, reading: Reading) -> LeRobotSets:
        return LeRobotSets(reading)

    def is_at(self, root: Path) -> bool:
        meta = root / "meta"
        return meta.is_dir() and any((meta / name).exists() for name in _SIGNS)

    def check_place(self, root: Path, name: str) -> None:
        if not (root / "meta" / "info.json").is_file():
            raise DatasetError(
                f"{root / 'meta' / 'info.json'} is missing: without it this is no LeRobot set."
            )

    def open(self, root: Path, name: str) -> LeRobotSplit:
        split = self._opened(root, name)
        if split.parts.basis is None:
            raise DatasetError(
                f"{root}: nothing tells which of its {len(split.dataset.entries)} demonstrations are CALVIN's "
                f"validation ({split.parts.question}): name them in data.validation_episodes (6-8, or none where it "
                "has none), or a validation set in data.validation_root."
            )
        if not split.demonstrations:
            why = "; ".join(split.left_out) or f"{split.parts.basis}"
            more = "; name a validation set in data.validation_root" if name == VALIDATION else ""
            raise DatasetError(f"{root} has no {name} demonstration: {why}{more}.")
        return split

    def survey(self, root: Path, name: str) -> tuple[LeRobotSplit, tuple[DatasetError, ...]]:
        return self._opened(root, name), ()

    def _opened(self, root: Path, name: str) -> LeRobotSplit:
        self.check_place(root, name)
        reading = self._reading
        dataset = load_dataset(Path(root), reading.columns, reading.is_settled)
        entries = dataset.entries
        parts = parted(dataset.about, entries, dataset.told, reading.validation_episodes)
        every = frozenset(entry.index for entry in entries)
        if reading.is_validation and not reading.is_settled and (parts.basis is None or not parts.validation):
            parts = Parts(frozenset(), parts.validation or every, "it was named as a validation set")
        shared: frozenset[int] = frozenset()
        if reading.validation_root is not None and name == TRAINING:
            shared = _shared(dataset, Path(reading.validation_root))
            basis = parts.basis or f"its states were compared with those of {reading.validation_root}"
            parts = Parts(parts.training - shared, parts.validation | shared, basis)
        wanted = _wanted(name, parts, reading, every)
        known = {entry.index: told for entry, told in zip(entries, dataset.told)}
        chosen = tuple(entry for entry in entries if entry.index in wanted and known[entry.index] is not None)
        scenes = parsed_scenes(reading.scenes, every)
        demonstrations: list[Demonstration] = []
        for entry in chosen:
            told, scene = known[entry.index], scenes.get(entry.index, entry.scene)
            assert told is not None
            demonstrations.append(
                Demonstration(len(demonstrations), told.task, told.instruction, entry.begin, entry.end, scene)
            )
        return LeRobotSplit(
            Path(root),
            name,
            dataset,
            parts,
            chosen,
            tuple(demonstrations),
            _left_out(name, dataset, parts, wanted, shared, reading),
            reading.scenes,
        )


def _wanted(name: str, parts: Parts, reading: Reading, every: frozenset[int]) -> frozenset[int]:
    """Numbers of the episodes that a split has."""
    if name == TRAINING:
        return parts.training
    says_none = reading.validation_episodes is not None and not parts.validation
    if says_none and not reading.is_settled:  # nothing is held out: it is judged on what it was trained on
        return every
    return parts.validation


def _left_out(
    name: str,
    dataset: Dataset,
    parts: Parts,
    wanted: frozenset[int],
    shared: frozenset[int],
    reading: Reading,
) -> tuple[str, ...]:
    told = []
    if name == TRAINING and parts.validation - shared:
        told.append(
            f"{len(parts.validation - shared)} demonstrations are of the validation, as {parts.basis}"
        )
    if shared:
        told.append(f"{len(shared)} demonstrations are in {reading.validation_root} too")
    if name == TRAINING:
        neither = {entry.index for entry in dataset.entries} - parts.training - parts.validation
        if neither:
            told.append(f"{len(neither)} episodes are of no part of the set")
    unknown = [
        entry for entry, one in zip(dataset.entries, dataset.told) if one is None and entry.index in wanted
    ]
    if unknown:
        what = cut(" | ".join(unknown[0].tasks)) or "nothing"
        told.append(
            f"{len(unknown)} episodes show no task of CALVIN's that is known by its name or phrase (first: episode "
            f"{unknown[0].index}, {shown(what)})"
        )
    return tuple(told)


def _shared(dataset: Dataset, validation_root: Path) -> frozenset[int]:
    """Episodes that are demonstrations of the validation set, too. Raises DatasetError where it cannot be opened."""
    key = str(validation_root)
    if key not in dataset.shared:
        held_out = open_split(validation_root, VALIDATION, Reading(is_validation=True))
        assert dataset.vectors is not None
        dataset.shared[key] = equal_episodes(dataset.entries, dataset.vectors.states, _sampled(held_out))
    return dataset.shared[key]


def _sampled(split: Split) -> np.ndarray:
    """(M, 15): states of some frames of each demonstration."""
    if isinstance(split, LeRobotSplit) and split.dataset.vectors is not None:
        rows = [entry.start + place for entry in split.chosen for place in sampled_frames(entry.length)]
        return split.dataset.vectors.states[rows]
    frames = [
        demonstration.start + place
        for demonstration in split.demonstrations
        for place in sampled_frames(demonstration.end - demonstration.start + 1)
    ]
    states = [split.read_frame(frame)["robot_obs"] for frame in frames]
    return np.asarray(states, dtype=np.float64).reshape(-1, FRAME_SHAPES["robot_obs"][0])
