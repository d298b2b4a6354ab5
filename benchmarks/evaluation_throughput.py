"""Sequences an hour: both cameras drawn at every step by one process, as the official loop does, against ours.

The policy is the same: the scripted expert's actions, recorded once and played in chunks of five to whoever
asks with two pictures. So are scene, sequences and outcomes, which are compared one by one with the digest of
all actions. Ratios are of processor time, which other work on the machine disturbs little.

`habit` is our own simulator drawn at every step. `official` is calvin_env, driven by our `Rollout` over a pipe and
drawn at every step, and so not the released script itself: its bill includes, at every step, sending both pictures
and the oracle's state (`get_info()` as JSON) through that pipe, which the released script has in its own process. Its
resets are taken out of the bill, as ours make a new environment where the released loop keeps one; those of the
others stay in.

python -m benchmarks.evaluation_throughput [--sequences 12] [--assets DIR] [--calvin-python PATH]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmark.embodiment import CHUNK_STEPS
from benchmarks.machine import describe
from calvin.instructions import evaluation_instruction
from calvin.protocols import PROTOCOLS
from calvin.sequences import Chain, get_sequences
from policies.base import Query
from policies.expert import ExpertPolicy
from simulators.calvin_env import CalvinEnv
from simulators.registry import create
from tasks.evaluate.rollout import Rollout

RESULTS = Path(__file__).parent / "results"
SCENE, _MAX_STEPS = "D", 360

#: Actions of each subtask of each sequence.
Script = Mapping[int, Sequence[np.ndarray]]
#: Clone of calvin_env, interpreter with calvin_env.
Where = tuple[str | None, str | None]


class Recorder(ExpertPolicy):
    """The expert, remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.script: dict[int, list[list[np.ndarray]]] = defaultdict(list)

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        chunks = super().act(queries)
        for query, chunk in zip(queries, chunks):
            if query.begins:
                self.script[query.sequence].append([])
            self.script[query.sequence][-1].append(chunk[0])
        return chunks


class Player:
    """Chunks of five from a script; looks at the pictures it is given."""

    needs_images = True

    def __init__(self, script: Script) -> None:
        self._script = script
        self._place: dict[int, tuple[int, int]] = {}
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [self._act(query) for query in queries]

    def _act(self, query: Query) -> np.ndarray:
        self.counts["pixels"] += query.observation["rgb_static"].size + query.observation["rgb_gripper"].size
        subtask, step = self._place.get(query.sequence, (-1, 0))
        if query.begins:
            subtask, step = subtask + 1, 0
        self._place[query.sequence] = subtask, step + CHUNK_STEPS
        actions = self._script[query.sequence][subtask]
        chunk = actions[step : step + CHUNK_STEPS]
        return chunk if len(chunk) else np.tile(actions[-1], (CHUNK_STEPS, 1)) * ([0] * 6 + [1])


class DrawsAlways:
    """A simulator with the official habit: reset and step return both cameras' pictures.

    `reset_seconds`: processor time of resets. Ours of calvin_env make a new environment, which the official loop
    does not, so they are left out of its bill.
    """

    def __init__(self, simulator: Any, seconds: Callable[[], float]) -> None:
        self._simulator = simulator
        self._seconds = seconds
        self.reset_seconds = 0.0
        for name in ("state", "info", "close"):
            setattr(self, name, getattr(simulator, name))

    def reset(self, robot_obs: np.ndarray, scene_obs: np.ndarray) -> None:
        began = self._seconds()
        self._simulator.reset(robot_obs, scene_obs)
        self.reset_seconds += self._seconds() - began
        self._seen = self._simulator.observe()

    def step(self, action: np.ndarray) -> None:
        self._simulator.step(action)
        self._seen = self._simulator.observe()

    def observe(self, cameras: Sequence[str]) -> dict[str, Any]:
        return self._seen


def record(numbers: Sequence[int], assets: str | None) -> Script:
    simulator, expert = create("playtable", SCENE, assets=assets), Recorder()
    chains = get_sequences(PROTOCOLS["calvin"].drawn)
    list(
        Rollout(SCENE, expert, evaluation_instruction, _MAX_STEPS).run(
            [(n, chains[n]) for n in numbers], [simulator]
        )
    )
    simulator.close()
    return {number: [np.array(actions) for actions in subtasks] for number, subtasks in expert.script.items()}


def drive(how: str, script: Script, where: Where, work: Any, start: Any) -> dict[str, Any]:
    """Outcomes, processor and wall-clock seconds of the sequences that this process takes from the queue `work`.

    how: ours, habit (playtable drawn at every step) or official (calvin_env drawn at every step). start: a
    barrier, passed when the simulator is ready.
    """
    assets, python = where
    simulator: Any = (
        CalvinEnv(SCENE, python) if how == "official" else create("playtable", SCENE, assets=assets)
    )
    processes = [psutil.Process()]
    if how == "official":
        processes.append(psutil.Process(simulator._process.pid))

    def cpu() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    used = simulator if how == "ours" else DrawsAlways(simulator, cpu)
    rollout = Rollout(SCENE, Player(script), evaluation_instruction, _MAX_STEPS)
    start.wait()
    cpu_began, began = cpu(), time.perf_counter()
    found = list(rollout.run(taken(work), [used]))
    ended = time.perf_counter()
    cpu_seconds = cpu() - cpu_began - (used.reset_seconds if how == "official" else 0.0)
    simulator.close()
    return {
        "outcomes": {r.sequence: (r.done, r.steps, r.actions) for r in found},
        "cpu_seconds": cpu_seconds,
        "began": began,
        "ended": ended,
        "steps": sum(r.steps for r in found),
    }


def taken(work: Any) -> Iterator[tuple[int, Chain]]:
    """Sequences from a queue that several processes may share, until it is empty."""
    chains = get_sequences(PROTOCOLS["calvin"].drawn)
    while True:
        try:
            number = work.get_nowait()
        except queue.Empty:
            return
        yield number, chains[number]


def together(
    how: str, workers: int, numbers: Sequence[int], script: Script, where: Where
) -> list[dict[str, Any]]:
    """`drive` in so many fresh processes at the same time, which share the sequences."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as shared, ProcessPoolExecutor(workers, mp_context=context) as pool:
        work, start = shared.Queue(), shared.Barrier(workers)
        for number in numbers:
            work.put(number)
        return [
            done.result()
            for done in [pool.submit(drive, how, script, where, work, start) for _ in range(workers)]
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=12)
    parser.add_argument("--assets", help="clone of calvin_env: CALVIN's own scenes")
    parser.add_argument("--calvin-python", help="interpreter with calvin_env: the official simulator as well")
    options = parser.parse_args()
    numbers = list(range(options.sequences))
    script = record(numbers, options.assets)
    where = (options.assets, options.calvin_python)

    kinds = ["ours", "habit"] + (["official"] if options.calvin_python and options.assets else [])
    runs = {how: together(how, 1, numbers, script, where)[0] for how in kinds}
    ours = runs["ours"]
    report = {
        "machine": describe(),
        "scene": f"{'CALVIN' if options.assets else 'Baton'} {SCENE}",
        "sequences": len(numbers),
        "average_length": round(float(np.mean([done for done, _, _ in ours["outcomes"].values()])), 3),
        "compared_with_drawing_at_every_step": {
            "steps": ours["steps"],
            "sequences_per_core_hour": {
                how: round(3600 * len(numbers) / run["cpu_seconds"], 1) for how, run in runs.items()
            },
            "milliseconds_per_step": {
                how: round(1000 * r["cpu_seconds"] / r["steps"], 2) for how, r in runs.items()
            },
            "ratios": {
                f"{how}_over_ours": round(run["cpu_seconds"] / ours["cpu_seconds"], 2)
                for how, run in runs.items()
                if how != "ours"
            },
            "sequences_with_other_outcomes": {
                how: sum(run["outcomes"][number] != ours["outcomes"][number] for number in numbers)
                for how, run in runs.items()
            },
        },
    }
    RESULTS.mkdir(exist_ok=True)
    name = "evaluation_throughput_calvin" if options.assets else "evaluation_throughput"
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))


if __name__ == "__main__":
    main()
