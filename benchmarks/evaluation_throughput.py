"""Sequences an hour: both cameras drawn at every step by one process, as the official loop does, against ours.

The policy is the same: the scripted expert's actions, recorded once and played in chunks of five to whoever
asks with two pictures. So are scene, sequences and outcomes, which are compared one by one with the digest of
all actions. Ratios are of processor time, which other work on the machine disturbs little; scaling with
workers is of wall-clock time and wants an idle machine.

python -m benchmarks.evaluation_throughput [--sequences 8] [--assets DIR] [--calvin-python PATH] [--workers 1,2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.machine import describe
from calvin.instructions import evaluation_instruction
from calvin.protocols import PROTOCOLS
from simulators.calvin_env import CalvinEnv
from simulators.registry import create
from tasks.expert_policy import ExpertPolicy
from tasks.policies import CHUNK_STEPS, Query
from tasks.rollout import Rollout

_RESULTS = Path(__file__).parent / "results"
_SCENE, _MAX_STEPS = "D", 360

#: Actions of each subtask of each sequence.
Script = Mapping[int, Sequence[np.ndarray]]


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
    """A simulator with the official habit: reset and step return both cameras' pictures."""

    def __init__(self, simulator: Any) -> None:
        self._simulator = simulator
        for name in ("state", "info", "close"):
            setattr(self, name, getattr(simulator, name))

    def reset(self, robot_obs: np.ndarray, scene_obs: np.ndarray) -> None:
        self._simulator.reset(robot_obs, scene_obs)
        self._seen = self._simulator.observe()

    def step(self, action: np.ndarray) -> None:
        self._simulator.step(action)
        self._seen = self._simulator.observe()

    def observe(self, cameras: Sequence[str]) -> dict[str, Any]:
        return self._seen


def record(numbers: Sequence[int], assets: str | None) -> Script:
    simulator, expert = create("playtable", _SCENE, assets=assets), Recorder()
    chains = PROTOCOLS["calvin"].chains()
    list(
        Rollout(_SCENE, expert, evaluation_instruction, _MAX_STEPS).run(
            [(n, chains[n]) for n in numbers], [simulator]
        )
    )
    simulator.close()
    return {number: [np.array(actions) for actions in subtasks] for number, subtasks in expert.script.items()}


def drive(
    how: str, numbers: Sequence[int], script: Script, assets: str | None, python: str | None
) -> dict[str, Any]:
    """Outcomes, processor and wall-clock seconds. how: ours, habit (playtable), official (calvin_env)."""
    simulator: Any = (
        CalvinEnv(_SCENE, python) if how == "official" else create("playtable", _SCENE, assets=assets)
    )
    processes = [psutil.Process()]
    if how == "official":
        processes.append(psutil.Process(simulator._process.pid))
    used = simulator if how == "ours" else DrawsAlways(simulator)
    chains = PROTOCOLS["calvin"].chains()
    rollout = Rollout(_SCENE, Player(script), evaluation_instruction, _MAX_STEPS)
    cpu, wall = sum(sum(p.cpu_times()[:2]) for p in processes), time.perf_counter()
    found = list(rollout.run([(number, chains[number]) for number in numbers], [used]))
    wall_seconds = time.perf_counter() - wall
    cpu_seconds = sum(sum(p.cpu_times()[:2]) for p in processes) - cpu
    simulator.close()
    return {
        "outcomes": {r.sequence: (r.done, r.steps, r.actions) for r in found},
        "cpu_seconds": cpu_seconds,
        "wall_seconds": wall_seconds,
        "steps": sum(r.steps for r in found),
    }


def in_processes(jobs: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """`drive` with each of `jobs`, all at the same time, each in a fresh process."""
    with ProcessPoolExecutor(len(jobs), mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(drive, *zip(*jobs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--assets", help="clone of calvin_env: CALVIN's own scenes")
    parser.add_argument("--calvin-python", help="interpreter with calvin_env: the official simulator as well")
    parser.add_argument("--workers", default="1", help="numbers of processes to scale over, such as 1,2")
    options = parser.parse_args()
    numbers = list(range(options.sequences))
    script = record(numbers, options.assets)
    where = (options.assets, options.calvin_python)

    kinds = ["ours", "habit"] + (["official"] if options.calvin_python and options.assets else [])
    runs = {how: in_processes([(how, numbers, script, *where)])[0] for how in kinds}
    ours = runs["ours"]
    same = {how: run["outcomes"] == ours["outcomes"] for how, run in runs.items()}
    scaling = {}
    for workers in map(int, options.workers.split(",")):
        parts = in_processes([("ours", numbers[k::workers], script, *where) for k in range(workers)])
        slowest = max(part["wall_seconds"] for part in parts)
        merged = {n: outcome for part in parts for n, outcome in part["outcomes"].items()}
        scaling[str(workers)] = {
            "sequences_per_hour": round(3600 * len(numbers) / slowest, 1),
            "same_outcomes": merged == ours["outcomes"],
            "busy": round(sum(part["wall_seconds"] for part in parts) / (workers * slowest), 3),
        }
    first = scaling[next(iter(scaling))]["sequences_per_hour"] / int(next(iter(scaling)))
    for workers, figures in scaling.items():
        figures["efficiency"] = round(figures["sequences_per_hour"] / (first * int(workers)), 3)
    report = {
        "machine": describe(),
        "scene": f"{'CALVIN' if options.assets else 'Baton'} {_SCENE}",
        "sequences": len(numbers),
        "steps": ours["steps"],
        "average_length": round(float(np.mean([done for done, _, _ in ours["outcomes"].values()])), 3),
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
        "same_outcomes": same,
        "scaling": scaling,
    }
    _RESULTS.mkdir(exist_ok=True)
    name = "evaluation_throughput_calvin" if options.assets else "evaluation_throughput"
    (_RESULTS / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))


if __name__ == "__main__":
    main()
