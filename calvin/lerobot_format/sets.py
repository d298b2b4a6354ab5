"""Which demonstrations of a LeRobot set are of which split: one root holds both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calvin.episode import FRAME_SHAPES
from calvin.lerobot_format.dataset import Dataset, load_dataset
from calvin.lerobot_format.held_out import Parts, equal_episodes, sampled_frames
from calvin.lerobot_format.listed import need_told, read_listed, without
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
        need_told(root, split.parts, len(split.dataset.entries))
        if not split.demonstrations:
            raise without(root, name, split.left_out, split.parts)
        return split

    def survey(self, root: Path, name: str) -> tuple[LeRobotSplit, tuple[DatasetError, ...]]:
        return self._opened(root, name), ()

    def _opened(self, root: Path, name: str) -> LeRobotSplit:
        self.check_place(root, name)
        reading = self._reading
        listed = read_listed(root, name, reading)
        entries, parts = listed.contents.entries, listed.parts
        dataset = load_dataset(
            listed.about, listed.contents, reading.columns, listed.used or listed.every, reading.is_settled
        )
        shared: frozenset[int] = frozenset()
        if reading.validation_root is not None and name == TRAINING:
            shared = _shared(dataset, Path(reading.validation_root)) & listed.used
            basis = parts.basis or f"its states were compared with those of {reading.validation_root}"
            parts = Parts(parts.training - shared, parts.validation | shared, basis)
        wanted = listed.wanted - shared
        known = {entry.index: one for entry, one in zip(entries, listed.told)}
        chosen = tuple(entry for entry in entries if entry.index in wanted and known[entry.index] is not None)
        scenes = parsed_scenes(reading.scenes, listed.every)
        demonstrations: list[Demonstration] = []
        for entry in chosen:
            shows, scene = known[entry.index], scenes.get(entry.index, entry.scene)
            assert shows is not None
            demonstrations.append(
                Demonstration(
                    len(demonstrations), shows.task, shows.instruction, entry.begin, entry.end, scene
                )
            )
        return LeRobotSplit(
            Path(root),
            name,
            dataset,
            parts,
            chosen,
            tuple(demonstrations),
            (*listed.told_unused, *_left_out(name, dataset, parts, wanted, shared, reading)),
            reading.scenes,
            listed.asked_for == listed.every,
        )


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
        vectors = dataset.vectors
        assert vectors is not None
        dataset.shared[key] = equal_episodes(vectors.entries, vectors.states, _sampled(held_out))
    return dataset.shared[key]


def _sampled(split: Split) -> np.ndarray:
    """(M, 15): states of some frames of each demonstration."""
    if isinstance(split, LeRobotSplit) and (vectors := split.dataset.vectors) is not None:
        return np.concatenate([vectors.states_of(one)[sampled_frames(one.length)] for one in split.chosen])
    frames = [
        demonstration.start + place
        for demonstration in split.demonstrations
        for place in sampled_frames(demonstration.end - demonstration.start + 1)
    ]
    states = [split.read_frame(frame)["robot_obs"] for frame in frames]
    return np.asarray(states, dtype=np.float64).reshape(-1, FRAME_SHAPES["robot_obs"][0])
