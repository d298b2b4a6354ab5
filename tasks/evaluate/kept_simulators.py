"""Simulators that a worker keeps from job to job, made of what the job was planned with."""

from __future__ import annotations

from simulators.base import Simulator
from tasks.evaluate.chains import SimulatedScene
from tasks.evaluate.closed_loop import add_simulators, how_made
from tasks.evaluate.simulator_identity import check_identity
from tasks.memory import Memory, kept_or_made


class KeptSimulators(list[Simulator]):
    """Of one scene, in a worker's memory."""


def simulators_of(scene: SimulatedScene, count: int, memory: Memory) -> list[Simulator]:
    """`count` simulators, kept in `memory`: making one costs as much as many episodes of physics.

    Raises ConfigError where they are not made of what the job was planned with.
    """
    apart, options = how_made(scene)
    made_of = scene.assets_digest or scene.calvin_env
    key = f"simulators {scene.simulator} {scene.scene} {options} {apart} {made_of}"
    kept = kept_or_made(memory, key, KeptSimulators, KeptSimulators)
    add_simulators(kept, scene, count)
    if made_of and kept:
        check_identity(scene, kept[0])
    return kept[:count]
