"""Closed-loop evaluation by CALVIN's protocol, as a job or a command describes it in plain JSON.

Keys of such a description: `simulator`, `scene`, `assets` (a clone of calvin_env, or null), `python` (the
interpreter of the official simulator, or null), `renderer` (`tiny` or `egl`), `tasks` (empty: CALVIN's own
list), `drawn` (length of the list that is drawn), `instructions` (phrase by task; null: Baton's own),
`max_steps`, `simulators` (how many), `parallel` (each in a process of its own). Jobs also have what a simulator from
outside is made of (`tasks.simulator_identity`), and what drew the training frames: `frames_renderer` (null: unknown),
`frames_basis` (what that rests on), `frames_scenes` (`baton`, `calvin` or null).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.cameras import EGL, TINY
from calvin.instructions import evaluation_instruction
from calvin.metrics import chain_scores, official_compat_scores, task_scores
from calvin.sequences import Chain, get_sequences
from simulators.base import Simulator
from simulators.own_process import OwnProcess
from simulators.registry import create
from tasks.simulator_identity import check_identity

if TYPE_CHECKING:
    from tasks.rollout import ChainResult


def chains_of(spec: Mapping[str, Any]) -> list[Chain]:
    """The whole list that shards and sequence numbers refer to."""
    return get_sequences(spec["drawn"], tasks=spec["tasks"] or None)


def instructions_of(spec: Mapping[str, Any]) -> Callable[[str], str]:
    """Task to the phrase that asks for it."""
    phrases: Mapping[str, str] | None = spec["instructions"]
    return evaluation_instruction if phrases is None else phrases.__getitem__


def simulators_of(spec: Mapping[str, Any], count: int, memory: MutableMapping[str, Any]) -> list[Simulator]:
    """`count` simulators, kept in `memory`: making one costs as much as many episodes of physics.

    Raises ConfigError where they are not made of what the job was planned with.
    """
    options = {name: spec[name] for name in ("assets", "python") if spec[name] is not None}
    options["renderer"] = spec.get("renderer", TINY)  # jobs planned before there was a choice have none
    # Jobs come in any thread, and EGL draws in one only. The official simulator has its own process anyway.
    apart = (spec["parallel"] or options["renderer"] == EGL) and spec["simulator"] != "calvin"
    made_of = {name: spec[name] for name in ("assets_digest", "calvin_env") if name in spec}
    key = f"simulators {spec['simulator']} {spec['scene']} {options} {apart} {made_of}"
    kept: list[Simulator] = memory.setdefault(key, [])
    make = OwnProcess if apart else create
    while len(kept) < count:
        kept.append(make(spec["simulator"], spec["scene"], **options))
    if made_of and kept:
        check_identity(spec, kept[0])
    return kept[:count]


def entry_of(result: ChainResult, chain: Chain) -> dict[str, Any]:
    """What is kept of a result: nothing that depends on how the work was cut."""
    return {
        "sequence": result.sequence,
        "done": result.done,
        "steps": result.steps,
        "tasks": list(chain.tasks),
        "actions": result.actions[:16],
    }


def summary(entries: Sequence[Mapping[str, Any]], official_compat: bool = False) -> dict[str, Any]:
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
