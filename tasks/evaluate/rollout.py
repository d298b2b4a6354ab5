"""CALVIN's long-horizon protocol: chains of subtasks, several simulators, one policy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmark.actions import beyond_limits
from benchmark.cameras import CAMERAS
from benchmark.tasks import BLOCK_ORDER
from calvin.initial_states import initial_state_obs
from calvin.oracle import TaskOracle
from calvin.sequences import Chain
from errors import NotFinite, SimulatorError, SimulatorLost
from policies.base import BEYOND_LIMITS, Policy, Query
from settings.shown import shown
from simulators.base import MAX_REPLAYS, Observation, Simulator

T = TypeVar("T")
R = TypeVar("R")

#: Relative actions (steps, 7).
Actions = NDArray[np.float64]


@dataclass(frozen=True)
class Failure:
    """What a policy saw of the subtask that ended a chain."""

    task: str
    instruction: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class ChainResult:
    """`done`: subtasks solved in a row, 0 to the chain's length. `steps`: environment steps in all.

    `actions`: SHA-256 of all actions carried out (float64, in order), by which two evaluations are compared.
    `replays`: how often the simulator was lost on the way and the sequence begun again. `failure` is filled
    in where the rollout films.
    """

    sequence: int
    done: int
    steps: int
    actions: str
    replays: int = 0
    failure: Failure | None = None


@dataclass(frozen=True)
class Rollout:
    """How chains are driven. max_steps: environment steps per subtask (official: 360).

    film: keep what the policy saw of each chain's last subtask, rendering it for policies that do not look.
    """

    scene: str
    policy: Policy
    instruction_for: Callable[[str], str]
    max_steps: int
    film: bool = False

    def run(
        self,
        chains: Iterable[tuple[int, Chain]],
        simulators: Sequence[Simulator],
        should_stop: Callable[[], str | None] = lambda: None,
        abandoned: Callable[[int], None] = lambda steps: None,
        stepped: Callable[[int], None] = lambda steps: None,
    ) -> Iterator[ChainResult]:
        """Results of (sequence number, chain), each as soon as its chain ends; ends early on a stop request.

        A simulator whose chain has ended takes the next one. What a chain gives depends on neither its
        simulator nor its neighbours. `abandoned` is told how many steps each chain had done that a stop
        request cut short, `stepped` after every round of answers how many all chains have done so far. Raises
        SimulatorError when a sequence loses its simulator again and again, NotFinite where the policy answers with an
        action that is no number. Actions beyond the benchmark's limits are carried out and counted in the policy's
        counts.
        """
        oracle = TaskOracle()
        waiting = iter(chains)
        steps_of_ended = 0
        active = [
            _Run(self, number, chain, simulator)
            for simulator, (number, chain) in zip(simulators, islice(waiting, len(simulators)))
        ]
        with _hands(simulators) as each:
            while active and not should_stop():
                asked = list(each(_Run.query, active))
                queries = [(run, query) for run, query in zip(active, asked) if query is not None]
                chunks = self.policy.act([query for _, query in queries])
                _check_actions([query for _, query in queries], chunks)
                beyond = sum(each(lambda job: job[0][0].execute(job[1], oracle), zip(queries, chunks)))
                if beyond:
                    self.policy.counts[BEYOND_LIMITS] += beyond
                stepped(steps_of_ended + sum(run.total_steps for run in active))
                for place, run in enumerate(active):
                    if run.ended:
                        steps_of_ended += run.total_steps
                        yield run.result()
                        following = next(waiting, None)
                        active[place] = run if following is None else _Run(self, *following, run.simulator)
                active = [run for run in active if not run.ended]
        for run in active:
            abandoned(run.total_steps)


def _check_actions(queries: Sequence[Query], chunks: Sequence[Actions]) -> None:
    """Whatever the policy is: a NaN in a gripper's command would pass for closing it."""
    for query, chunk in zip(queries, chunks, strict=True):
        if not np.isfinite(chunk).all():
            raise NotFinite(
                f"the policy's answer to query {query.number} of sequence {query.sequence} "
                f"({shown(query.instruction)}) holds numbers that are not finite; no figure can be made of it"
            )


class _Each(Protocol):
    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


@contextmanager
def _hands(simulators: Sequence[Simulator]) -> Iterator[_Each]:
    """`map`, with a thread for each simulator where all have processes of their own."""
    if len(simulators) > 1 and all(getattr(simulator, "in_own_process", False) for simulator in simulators):
        with ThreadPoolExecutor(len(simulators), thread_name_prefix="simulator") as threads:
            yield threads.map
    else:
        yield map


class _Run:
    """One chain in one simulator. A lost simulator begins it again, in the next query."""

    def __init__(self, rollout: Rollout, sequence: int, chain: Chain, simulator: Simulator) -> None:
        self.simulator = simulator
        self._rollout = rollout
        self._sequence = sequence
        self._chain = chain
        self._replays = 0
        self._is_reset = False
        self._done = 0
        self._queries = 0
        self._steps = 0
        self._seen: list[Observation] = []
        self._actions = hashlib.sha256()
        self.total_steps = 0
        self.ended = False

    def query(self) -> Query | None:
        """None when the simulator was lost."""
        try:
            if not self._is_reset:
                robot_obs, scene_obs = initial_state_obs(
                    self._chain.initial_state, BLOCK_ORDER[self._rollout.scene]
                )
                self.simulator.reset(robot_obs, scene_obs)
                self._is_reset = True
                self._begin_subtask()
            if self._rollout.policy.needs_images or self._rollout.film:
                observation = self.simulator.observe(CAMERAS)
            else:
                observation = {"robot_obs": self.simulator.state()[0]}
        except SimulatorLost as error:
            self._lost(error)
            return None
        if self._rollout.film:
            self._seen.append(observation)
        self._queries += 1
        return Query(
            observation,
            self._rollout.instruction_for(self._task),
            self._sequence,
            self._queries - 1,
            task=self._task,
            begins=self._steps == 0,
            simulator=self.simulator,
        )

    def execute(self, chunk: Actions, oracle: TaskOracle) -> int:
        """Carry out a chunk (steps, 7); a solved subtask ends it early, as does running out of steps. How many of the
        actions carried out are beyond the benchmark's limits."""
        before = self.total_steps
        self._carry_out(chunk, oracle)
        return beyond_limits(chunk[: max(0, self.total_steps - before)])

    def _carry_out(self, chunk: Actions, oracle: TaskOracle) -> None:
        try:
            for action in chunk:
                self.simulator.step(action)
                self._actions.update(np.ascontiguousarray(action, dtype=np.float64).tobytes())
                self.total_steps += 1
                self._steps += 1
                if oracle.solved(self._start, self.simulator.info(), (self._task,)):
                    self._done += 1
                    self.ended = self._done == len(self._chain.tasks)
                    if not self.ended:
                        self._begin_subtask()
                    return
                if self._steps >= self._rollout.max_steps:
                    self.ended = True
                    return
        except SimulatorLost as error:
            self._lost(error)

    def result(self) -> ChainResult:
        failure = None
        if self._rollout.film and self._done < len(self._chain.tasks):
            failure = Failure(self._task, self._rollout.instruction_for(self._task), tuple(self._seen))
        digest = self._actions.hexdigest()
        return ChainResult(self._sequence, self._done, self.total_steps, digest, self._replays, failure)

    @property
    def _task(self) -> str:
        return self._chain.tasks[self._done]

    def _begin_subtask(self) -> None:
        self._start = self.simulator.info()
        self._steps = 0
        self._seen = []

    def _lost(self, error: SimulatorLost) -> None:
        self._replays += 1
        if self._replays > MAX_REPLAYS:
            raise SimulatorError(
                f"sequence {self._sequence} lost its simulator {self._replays} times; the last time: {error}"
            ) from None
        self._is_reset = False
        self._done = self._queries = self.total_steps = 0
        self._actions = hashlib.sha256()
