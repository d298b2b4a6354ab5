"""CALVIN's long-horizon protocol: chains of subtasks, several simulators in lockstep with one policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calvin.initial_states import initial_state_obs
from calvin.oracle import TaskOracle
from calvin.sequences import Chain
from calvin.task_names import BLOCK_ORDER
from simulators.base import CAMERAS, Simulator
from tasks.policies import Policy, Query


@dataclass(frozen=True)
class ChainResult:
    """`done`: subtasks solved in a row, 0 to the chain's length. `steps`: environment steps in all."""

    sequence: int
    done: int
    steps: int


class _Run:
    """One chain in one simulator."""

    def __init__(self, sequence: int, chain: Chain, simulator: Simulator, scene: str) -> None:
        robot_obs, scene_obs = initial_state_obs(chain.initial_state, BLOCK_ORDER[scene])
        simulator.reset(robot_obs, scene_obs)
        self.sequence = sequence
        self.chain = chain
        self.simulator = simulator
        self.done = 0
        self.queries = 0
        self.total_steps = 0
        self.ended = False
        self._begin_subtask()

    @property
    def task(self) -> str:
        return self.chain.tasks[self.done]

    def query(self, instruction: str, needs_images: bool) -> Query:
        if needs_images:
            observation: Mapping[str, Any] = self.simulator.observe(CAMERAS)
        else:
            observation = {"robot_obs": self.simulator.state()[0]}
        self.queries += 1
        return Query(observation, instruction, self.sequence, self.queries - 1)

    def execute(self, chunk: np.ndarray, oracle: TaskOracle, max_steps: int) -> None:
        """Carry out a chunk (5, 7); a solved subtask ends it early, as does running out of steps."""
        for action in chunk:
            self.simulator.step(action)
            self.total_steps += 1
            self._steps += 1
            if oracle.solved(self._start, self.simulator.info(), (self.task,)):
                self.done += 1
                if self.done == len(self.chain.tasks):
                    self.ended = True
                else:
                    self._begin_subtask()
                return
            if self._steps >= max_steps:
                self.ended = True
                return

    def _begin_subtask(self) -> None:
        self._start = self.simulator.info()
        self._steps = 0


def run_chains(
    chains: Sequence[tuple[int, Chain]],
    simulators: Sequence[Simulator],
    scene: str,
    policy: Policy,
    instruction_for: Callable[[str], str],
    max_steps: int,
    should_stop: Callable[[], str | None] = lambda: None,
) -> list[ChainResult] | None:
    """Results of up to `len(simulators)` chains, in order; None when stopped before all ended.

    chains: (sequence number, chain). max_steps: environment steps per subtask (official: 360).
    """
    oracle = TaskOracle()
    runs = [
        _Run(number, chain, simulator, scene)
        for (number, chain), simulator in zip(chains, simulators, strict=False)
    ]
    assert len(runs) == len(chains), "one simulator a chain"
    while True:
        active = [run for run in runs if not run.ended]
        if not active:
            return [ChainResult(run.sequence, run.done, run.total_steps) for run in runs]
        if should_stop():
            return None
        queries = [run.query(instruction_for(run.task), policy.needs_images) for run in active]
        for run, chunk in zip(active, policy.act(queries)):
            run.execute(chunk, oracle, max_steps)
