"""A chunk of demonstrations: read from CALVIN's files, or made by the scripted expert in the simulator."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmark.tasks import UNKNOWN_SCENE
from calvin.episode import Episode
from calvin.episode_file import save_episode
from calvin.instructions import evaluation_instruction, training_instructions
from calvin.needed import need_of_some
from calvin.oracle import TaskOracle
from calvin.scenes import scene_of_episode
from calvin.split import NOTHING_SAID, VALIDATION, Reading, Split, open_split
from errors import DatasetError, InvalidInput, SimulatorError
from simulators.demonstrations import Failed, record
from simulators.playtable.env import PlayTable
from tasks.context import Draft, Finished, TaskContext, Yielded
from tasks.data.copies import Asked
from tasks.data.fetch import Stop, place_here
from tasks.memory import kept, kept_or_made
from tasks.results import IngestResult
from tasks.specs import Demonstration, IngestSpec

T = TypeVar("T")

#: A random start from which the expert misses is replaced by the next one; this many in a row is a fault.
_MAX_TRIES = 20
#: Distance between the seeds of successive tries, larger than any number of demonstrations.
_TRY_STRIDE = 1_000_003


def run(context: TaskContext[IngestSpec]) -> Finished[IngestResult] | Yielded:
    """Publishes one `episode` artifact per demonstration, named `task_<number>`."""
    split, demonstrations = context.spec.split, context.spec.demonstrations
    missed: list[str] = []
    seen: dict[int, str | None] = {}  # by place: the scene that pictures show, None where the dataset says it
    try:
        root = place_here(context, context.spec.root, _needed(context.spec))
    except Stop as stop:
        return Yielded(str(stop))
    for done in range(context.step, len(demonstrations)):
        reason = context.should_stop()
        if reason:
            return Yielded(reason)
        entry = demonstrations[done]
        if context.spec.source == "calvin":
            episode = _read(context, root, done)
            seen[done] = _scene_seen(episode)
        else:
            episode, reasons = make_demonstration(_table(context, the_made(entry.scene)), entry, split)
            missed += reasons
        name = f"task_{entry.number}"
        file = context.scratch / f"{name}.safetensors"
        save_episode(episode, file)
        context.publish(done + 1, [Draft("episode", name, file)])
        context.report_progress(done + 1, len(demonstrations))
    if context.spec.source == "calvin":
        for earlier in range(len(demonstrations)):  # those that an earlier attempt has done
            if earlier not in seen:
                seen[earlier] = _scene_seen(_read(context, root, earlier))
    scenes = Counter(scene for scene in seen.values() if scene is not None)
    result = IngestResult(
        demonstrations=len(demonstrations),
        expert_missed=tuple(missed),
        scenes_seen=dict(sorted(scenes.items())),
    )
    return Finished((), result=result)


def _needed(spec: IngestSpec) -> Asked:
    places = [demonstration.number for demonstration in spec.demonstrations]
    return lambda lists: need_of_some(lists, spec.split, _reading(spec), places)


def _scene_seen(episode: Episode) -> str | None:
    return scene_of_episode(episode).scene if episode.scene == UNKNOWN_SCENE else None


def make_demonstration(simulator: PlayTable, entry: Demonstration, split: str) -> tuple[Episode, list[str]]:
    """A demonstration by the expert that the task oracle accepts, and why earlier tries were not.

    entry: number, task, seed, starts; the scene is the simulator's. Raises SimulatorError when no try succeeds.
    """
    task, seed, starts = the_made(entry.task), the_made(entry.seed), the_made(entry.starts)
    oracle = TaskOracle()
    reasons: list[str] = []
    for attempt in range(_MAX_TRIES):
        recording = record(
            simulator,
            task,
            seed + attempt * _TRY_STRIDE,
            lambda start, end: bool(oracle.solved(start, end, (task,))),
            starts=starts,
        )
        if isinstance(recording, Failed):
            reasons.append(f"{task} in {recording.scene}: {recording.reason}")
            continue
        phrases = training_instructions(task)
        instruction = (
            evaluation_instruction(task) if split == "validation" else phrases[entry.number % len(phrases)]
        )
        frames = len(recording.rgb_static)
        return (
            Episode(
                rgb_static=recording.rgb_static,
                rgb_gripper=recording.rgb_gripper,
                robot_obs=recording.robot_obs,
                scene_obs=recording.scene_obs,
                actions=recording.actions,
                rel_actions=recording.rel_actions,
                task=task,
                instruction=instruction,
                scene=recording.scene,
                split=split,
                start=0,
                end=frames - 1,
                boxes=recording.boxes,
                pixels=recording.pixels,
            ),
            reasons,
        )
    raise SimulatorError(f"the expert missed {task} {_MAX_TRIES} times: {reasons[-1]}")


def the_made(value: T | None) -> T:
    """What a demonstration of the expert is told. Raises InvalidInput where it is not."""
    if value is None:
        raise InvalidInput("a demonstration that the expert shall make has no scene, task, seed or start")
    return value


def _table(context: TaskContext[IngestSpec], scene: str) -> PlayTable:
    key = f"playtable {scene}"
    return kept_or_made(context.memory, key, PlayTable, lambda: PlayTable(scene))


@dataclass(frozen=True)
class _Opened:
    dataset: Split


def _read(context: TaskContext[IngestSpec], root: Path | None, done: int) -> Episode:
    """Raises DatasetError where the demonstration is not the one that was planned."""
    split, number = context.spec.split, context.spec.demonstrations[done].number
    if root is None:
        raise InvalidInput("root: a dataset is to be read, and none is named")
    reading = _reading(context.spec)
    key = f"calvin {root} {split} {hash(reading)}"
    held = kept(context.memory, key, _Opened)
    if held is None or not _is_planned(context, held.dataset, done):
        # What the worker opened for an earlier job may not be what lies there now.
        context.memory[key] = held = _Opened(open_split(root, split, reading))
        if not _is_planned(context, held.dataset, done):
            raise DatasetError(
                f"{held.dataset.folder}: demonstration {number} is not the one that the ablation was planned with; "
                "restore the dataset, or submit the ablation again"
            )
    return held.dataset.read(held.dataset.demonstrations[number])


def _reading(spec: IngestSpec) -> Reading:
    if spec.columns is None:
        return NOTHING_SAID
    columns = tuple(sorted(spec.columns.items()))
    return Reading(
        columns, spec.held_out, scenes=spec.scenes, is_validation=spec.split == VALIDATION, is_settled=True
    )


def _is_planned(context: TaskContext[IngestSpec], dataset: Split, done: int) -> bool:
    """Whether the dataset has the demonstration that the job's `identity` names; True where none is named."""
    number = context.spec.demonstrations[done].number
    if number >= len(dataset.demonstrations):
        return False
    planned = context.spec.identity
    return not planned or dataset.fingerprint(dataset.demonstrations[number]) == planned[done]
