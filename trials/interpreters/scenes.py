"""Digests of what the simulator of this environment gives: two environments whose digests agree have one simulator.

    python -m trials.interpreters.scenes [--assets CLONE_OF_CALVIN_ENV] [--mini CALVIN_DATASET]

Prints JSON: for each scene, Baton's own and CALVIN's, states, contacts, pictures and boxes of random actions;
episodes of the scripted expert; demonstrations of a dataset played again. To the last bit: nothing is rounded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from benchmark.cameras import CAMERAS
from calvin.oracle import TaskOracle
from calvin.split import open_split
from settings.machine import pybullet_build, version
from simulators.demonstrations import Failed, record
from simulators.playtable.env import PlayTable
from tasks.evaluate.replay import replay

_SCENES = "ABCD"
_STEPS, _PICTURED = 40, 10
_TASKS = ("open_drawer", "lift_red_block_table")
_DEMONSTRATIONS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, help="a clone of calvin_env: CALVIN's own scenes too")
    parser.add_argument(
        "--mini", type=Path, help="a dataset in CALVIN's format, played again in Baton's scenes"
    )
    options = parser.parse_args()
    digests: dict[str, str] = {}
    for whose, assets in (("own", None), ("CALVIN's", options.assets)):
        for scene in _SCENES if whose == "own" or assets is not None else "":
            table = PlayTable(scene, assets)
            digests[f"{whose} scene {scene}, random actions"] = _random_actions(table)
            digests[f"{whose} scene {scene}, expert"] = _expert(table)
            table.close()
            print(scene, file=sys.stderr, flush=True)
    if options.mini is not None:
        digests["demonstrations played again"] = _replayed(options.mini)
    about = {"pybullet": pybullet_build(), "python": platform.python_version(), "numpy": version("numpy")}
    print(json.dumps({**about, "digests": digests}, indent=1))
    return 0


def _random_actions(table: PlayTable) -> str:
    total = hashlib.sha256()
    generator = np.random.default_rng(7)
    table.reset(seed=7)
    for step in range(_STEPS):
        move = generator.uniform(-1, 1, 6) + np.array(
            [0, 0, -0.4, 0, 0, 0]
        )  # down, where there is something to touch
        table.step(np.array([*np.clip(move, -1, 1), generator.choice([-1.0, 1.0])]))
        for array in table.state():
            total.update(array.tobytes())
        total.update(json.dumps(table.info()["robot_info"]["contacts"], default=list).encode())
        if step % _PICTURED == 0:
            seen = table.observe(CAMERAS, boxes=True)
            total.update(seen["rgb_static"].tobytes() + seen["rgb_gripper"].tobytes())
            total.update(json.dumps([seen["true_boxes"], seen["visible_pixels"]], default=int).encode())
    return total.hexdigest()


def _expert(table: PlayTable) -> str:
    oracle = TaskOracle()
    total = hashlib.sha256()
    for task in _TASKS:
        made = record(table, task, 3, lambda start, end, task=task: task in oracle.solved(start, end, [task]))
        if isinstance(made, Failed):
            total.update(repr(made).encode())
            continue
        for name, value in vars(made).items():
            total.update(value.tobytes() if isinstance(value, np.ndarray) else f"{name} {value}".encode())
    return total.hexdigest()


def _replayed(root: Path) -> str:
    tables: dict[str, PlayTable] = {}

    def table_of(scene: str) -> PlayTable:
        if scene not in tables:
            tables[scene] = PlayTable(scene)
        return tables[scene]

    played = []
    for split in ("training", "validation"):
        dataset = open_split(root, split)
        episodes: Iterator = (dataset.read(one) for one in islice(dataset.demonstrations, _DEMONSTRATIONS))
        played += [asdict(one) for one in replay(episodes, table_of)]
    for table in tables.values():
        table.close()
    return hashlib.sha256(json.dumps(played).encode()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
