"""The official simulator behind the pipe against its own recorded runs; needs BATON_CALVIN_PYTHON.

That variable names an interpreter in which calvin_env is installed; without it nothing here runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simulators.calvin_env import CalvinEnv
from tests.parity.test_calvin_dynamics import run_names

PARITY = Path(os.environ.get("BATON_PARITY", Path(__file__).parents[3] / "shared" / "parity"))
FOLDER = PARITY / "calvin_dynamics"
PYTHON = os.environ.get("BATON_CALVIN_PYTHON")

pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="BATON_CALVIN_PYTHON names no interpreter with calvin_env"),
    pytest.mark.skipif(
        not (FOLDER / "dynamics.json").is_file(), reason=f"recorded official runs are absent: {FOLDER}"
    ),
]


def runs() -> list[dict[str, Any]]:
    path = FOLDER / "dynamics.json"
    recorded = json.loads(path.read_text()) if path.is_file() else []
    return recorded["runs"] if isinstance(recorded, dict) else recorded


@pytest.fixture(scope="module")
def environments() -> Iterator[dict[str, CalvinEnv]]:
    """One process a scene: its runs follow one another, and must not notice."""
    made: dict[str, CalvinEnv] = {}
    yield made
    for env in made.values():
        env.close()


@pytest.mark.parametrize("number", range(len(runs())))
def test_states_and_first_pictures_are_the_recorded_ones(
    environments: dict[str, CalvinEnv], number: int
) -> None:
    run = runs()[number]
    scene = run["scene"].rpartition("_")[2]
    if scene not in environments:
        environments[scene] = CalvinEnv(scene, PYTHON)
    env = environments[scene]
    env.reset(np.array(run["reset_robot_obs"]), np.array(run["reset_scene_obs"]))
    first = env.observe()
    for step, action in enumerate([None, *run["actions"]]):
        if action is not None:
            env.step(np.array(action))
        robot_obs, scene_obs = env.state()
        np.testing.assert_allclose(
            robot_obs, run["robot_obs"][step], rtol=0, atol=1e-6, err_msg=f"step {step}"
        )
        np.testing.assert_allclose(
            scene_obs, run["scene_obs"][step], rtol=0, atol=1e-6, err_msg=f"step {step}"
        )
    for camera in ("static", "gripper"):
        picture = Image.open(FOLDER / run_names()[number] / f"step00_rgb_{camera}.png").convert("RGB")
        np.testing.assert_array_equal(first[f"rgb_{camera}"], np.asarray(picture))
