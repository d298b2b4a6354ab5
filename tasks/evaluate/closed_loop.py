"""Closed-loop evaluation by CALVIN's protocol: what jobs and commands need for it, and what they keep of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from benchmark.cameras import EGL
from calvin.instructions import evaluation_instruction
from calvin.metrics import chain_scores, official_compat_scores, task_scores
from calvin.sequences import Chain, get_sequences
from simulators.base import Simulator
from simulators.own_process import OwnProcess
from simulators.registry import create
from tasks.evaluate.simulator_identity import check_identity
from tasks.memory import Memory, kept_or_made
from tasks.specs import SimulatedScene

if TYPE_CHECKING:
    from tasks.evaluate.rollout import ChainResult


class Entry(TypedDict):
    """What is kept of a sequence: `done` of its five `tasks` in a row, in `steps` of the simulator. actions: the first
    digits of the digest of all of them."""

    sequence: int
    done: int
    steps: int
    tasks: list[str]
    actions: str


class TaskCounts(TypedDict):
    attempted: int
    succeeded: int


class Summary(TypedDict):
    """success: share of chains with at least 1..5 tasks in a row. avg_len: tasks in a row, on average."""

    sequences: int
    success: list[float]
    avg_len: float
    tasks: dict[str, TaskCounts]


class KeptSimulators(list[Simulator]):
    """Of one scene, in a worker's memory."""


def chains_of(drawn: int, tasks: Sequence[str]) -> list[Chain]:
    """The whole list that shards and sequence numbers refer to; `tasks` empty for all of CALVIN's."""
    return get_sequences(drawn, tasks=list(tasks) or None)


def instructions_of(phrases: Mapping[str, str] | None) -> Callable[[str], str]:
    """Task to the phrase that asks for it; None for Baton's own."""
    return evaluation_instruction if phrases is None else phrases.__getitem__


def simulators_of(scene: SimulatedScene, count: int, memory: Memory) -> list[Simulator]:
    """`count` simulators, kept in `memory`: making one costs as much as many episodes of physics.

    Raises ConfigError where they are not made of what the job was planned with.
    """
    places = {"assets": scene.assets, "python": scene.python}
    options = {name: place for name, place in places.items() if place is not None}
    options["renderer"] = scene.renderer
    # Jobs come in any thread, and EGL draws in one only. The official simulator has its own process anyway.
    apart = (scene.parallel or scene.renderer == EGL) and scene.simulator != "calvin"
    made_of = scene.assets_digest or scene.calvin_env
    key = f"simulators {scene.simulator} {scene.scene} {options} {apart} {made_of}"
    kept = kept_or_made(memory, key, KeptSimulators, KeptSimulators)
    make = OwnProcess if apart else create
    while len(kept) < count:
        kept.append(make(scene.simulator, scene.scene, **options))
    if made_of and kept:
        check_identity(scene, kept[0])
    return kept[:count]


def entry_of(result: ChainResult, chain: Chain) -> Entry:
    """What is kept of a result: nothing that depends on how the work was cut."""
    return {
        "sequence": result.sequence,
        "done": result.done,
        "steps": result.steps,
        "tasks": list(chain.tasks),
        "actions": result.actions[:16],
    }


def summary(entries: Sequence[Entry], official_compat: bool = False) -> Summary:
    """Success rates 1..5, average length and the table by task. Raises InvalidInput without entries."""
    done = [entry["done"] for entry in entries]
    scores = official_compat_scores(done) if official_compat else chain_scores(done)
    by_task = task_scores(done, [entry["tasks"] for entry in entries])
    return {
        "sequences": scores.sequences,
        "success": list(scores.success),
        "avg_len": scores.avg_len,
        "tasks": {
            task: {"attempted": score.attempted, "succeeded": score.succeeded}
            for task, score in by_task.items()
        },
    }
