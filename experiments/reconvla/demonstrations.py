"""Which demonstrations an ablation uses: those of a dataset, or those the expert shall make."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmark.tasks import TASKS
from calvin.instructions import evaluation_instruction, training_instructions
from calvin.sampled_check import check_sample
from calvin.shared_frames import shared_demonstrations
from calvin.split import NOTHING_SAID, TRAINING, VALIDATION, Reading, Split, left_out, open_split, settled
from errors import ConfigError
from experiments.reconvla.hub_data import local
from experiments.reconvla.sections import Data
from hub.names import is_hub_name
from settings.shown import shown
from settings.suggestions import meant
from tasks.gaze.truth import check_true_boxes
from tasks.specs import Demonstration, IngestSpec, SplitName

PRETRAINING: Final = "pretraining"


@dataclass(frozen=True)
class Corpus:
    """The demonstrations of one split.

    entries: what the ingest job of each demonstration needs. identity: decides the bytes it
    gives, one string an entry. source: calvin or playtable. scenes: demonstrations by scene. reading: with which a
    dataset is opened again without looking at all of it. left_out: what of it is not used, and why.
    """

    split: SplitName
    source: Literal["calvin", "playtable"]
    root: str | None
    entries: Sequence[Demonstration]
    identity: Sequence[str]
    instructions: frozenset[str]
    scenes: Mapping[str, int]
    reading: Reading = NOTHING_SAID
    left_out: tuple[str, ...] = ()

    def ingest(self, first: int, last: int, with_identity: bool = True) -> IngestSpec:
        """The job that reads or makes the entries `first` to `last` - 1."""
        return IngestSpec(
            source=self.source,
            split=self.split,
            demonstrations=tuple(self.entries[first:last]),
            identity=tuple(self.identity[first:last]) if with_identity else (),
            root=self.root,
            columns=dict(self.reading.columns) or None,
            held_out=self.reading.validation_episodes,
            scenes=self.reading.scenes,
        )


def place_of(data: Data, purpose: SplitName) -> str | None:
    """The dataset that demonstrations for `purpose` are of; None: the built-in simulator makes them."""
    return {TRAINING: data.root, VALIDATION: data.validated_on, PRETRAINING: data.pretrained_on}[purpose]


def reading_of(data: Data, purpose: SplitName) -> Reading:
    """What the settings say of that dataset."""
    columns = tuple((name, column) for name, column in data.columns if column is not None)
    if purpose == VALIDATION and data.validation_root is not None:
        return Reading(columns, is_validation=True)
    if purpose == PRETRAINING and data.pretrained_on != data.root:
        return Reading(validation_root=_here(data.validated_on))
    return Reading(columns, data.validation_episodes, _here(data.validation_root), data.scenes, data.episodes)


def _here(root: str | None) -> str | None:
    return str(local(root)) if root is not None and is_hub_name(root) else root


def known_tasks(data: Data) -> tuple[str, ...]:
    """The tasks of the configuration, or all 34 (the expert solves each). Raises ConfigError for unknown ones, and for
    one that is listed twice: its demonstrations would count twice.
    """
    for task in data.tasks:
        if task not in TASKS:
            raise ConfigError(
                f"data.tasks: unknown task {shown(task)}{meant(task, TASKS)}; CALVIN's tasks are {', '.join(TASKS)}"
            )
        if data.tasks.count(task) > 1:
            raise ConfigError(f"data.tasks: the task {shown(task)} is listed more than once")
    return data.tasks or TASKS


def generated(data: Data, split: SplitName) -> Corpus:
    """Demonstrations by the expert: every task equally often in every scene, seeds from (split, task, number)."""
    tasks = known_tasks(data)
    per_task, scenes = {
        TRAINING: (data.demonstrations_per_task, data.training_scenes),
        VALIDATION: (data.validation_demonstrations_per_task, data.training_scenes),
        PRETRAINING: (data.pretraining_demonstrations_per_task, data.pretraining_scenes),
    }[split]
    _check_scenes(scenes, "data.pretraining_scenes" if split == PRETRAINING else "data.training_scenes")
    entries: list[Demonstration] = []
    for scene in scenes:
        for repeat in range(per_task):
            for task in tasks:
                seed = _seed(data.seed, split, scene, task, repeat)
                entries.append(
                    Demonstration(number=len(entries), scene=scene, task=task, seed=seed, starts=data.starts)
                )
    phrases = {p for task in tasks for p in (*training_instructions(task), evaluation_instruction(task))}
    identity = [f"{e.scene} {e.task} {e.seed} {e.number} {e.starts}" for e in entries]
    return Corpus(
        split,
        "playtable",
        None,
        entries,
        identity,
        frozenset(phrases),
        Counter(e.scene for e in entries if e.scene),
    )


def _check_scenes(scenes: Sequence[str], entry: str) -> None:
    if not scenes:
        raise ConfigError(f"{entry} is empty: there would be no demonstration")
    for scene in scenes:
        if scenes.count(scene) > 1:
            raise ConfigError(f"{entry}: the scene {shown(scene)} is listed more than once")


def recorded(
    root: Path | str,
    split: SplitName,
    with_boxes: bool = False,
    by_task: bool = False,
    reading: Reading = NOTHING_SAID,
) -> Corpus:
    """All demonstrations of one split of a dataset. root: its folder, or its name on the Hub, with a commit.

    Raises DatasetError as `open_split` does, as `check_sample` does for frames that are looked at before anything is
    queued, and, with_boxes, where true boxes of what the demonstrations handle are missing. by_task: what handles an
    instruction that is not understood is known by its task.
    """
    dataset = open_split(local(str(root)), split, reading)
    if with_boxes:
        check_true_boxes(dataset, by_task)
    check_sample(dataset)
    return Corpus(
        split,
        "calvin",
        str(root) if is_hub_name(str(root)) else str(dataset_root(Path(root))),
        [Demonstration(number=demonstration.index) for demonstration in dataset.demonstrations],
        [dataset.fingerprint(demonstration) for demonstration in dataset.demonstrations],
        _phrases(dataset),
        Counter(demonstration.scene for demonstration in dataset.demonstrations),
        settled(dataset, NOTHING_SAID),
        left_out(dataset),
    )


def shared(held_out: tuple[Path, Reading], trained: Iterable[tuple[Path, Reading]]) -> int:
    """How many validation demonstrations of a dataset are in the training split of any of `trained` too."""
    split = open_split(held_out[0], VALIDATION, held_out[1])
    return max(shared_demonstrations(split, open_split(root, TRAINING, reading)) for root, reading in trained)


def dataset_root(root: Path) -> Path:
    return root.expanduser().absolute()


def _phrases(dataset: Split) -> frozenset[str]:
    return frozenset(demonstration.instruction for demonstration in dataset.demonstrations)


def _seed(base: int, split: str, scene: str, task: str, repeat: int) -> int:
    """A 31-bit seed that depends on nothing but its arguments."""
    text = f"{base} {split} {scene} {task} {repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
