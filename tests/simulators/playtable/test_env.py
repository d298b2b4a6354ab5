from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.tasks import SCENES
from errors import SimulatorError
from simulators.playtable.env import PlayTable

_ROOT = Path(__file__).parents[3]


def episode_digest(sim: PlayTable, seed: int) -> str:
    """Of all states and two pictures of an episode in which the arm sweeps over the desk."""
    digest = hashlib.sha256()
    sim.reset(seed=seed)
    for i in range(30):
        sim.step(np.array([0.9, 0.5 if i < 15 else -0.2, -0.6, 0.0, 0.0, 0.4, 1.0 if i < 20 else -1.0]))
        digest.update(np.concatenate(sim.state()).tobytes())
        if i % 15 == 14:
            observation = sim.observe()
            digest.update(observation["rgb_static"].tobytes() + observation["rgb_gripper"].tobytes())
    return digest.hexdigest()


def test_episodes_do_not_depend_on_what_ran_before(table_d: PlayTable) -> None:
    first = episode_digest(table_d, 3)
    assert episode_digest(table_d, 4) != first
    assert episode_digest(table_d, 3) == first


def test_episodes_are_the_same_in_a_fresh_process(table_d: PlayTable) -> None:
    program = (
        "from tests.simulators.playtable.test_env import episode_digest\n"
        "from simulators.playtable.env import PlayTable\n"
        "print(episode_digest(PlayTable('D'), 3))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout.split()[-1] == episode_digest(table_d, 3)


def test_two_tables_in_one_process_do_not_disturb_each_other(table_d: PlayTable) -> None:
    alone = episode_digest(table_d, 5)
    other = PlayTable("A")
    other.reset(seed=1)
    assert episode_digest(table_d, 5) == alone
    other.close()


def test_official_initial_states_are_physically_valid(parity: Path, table_d: PlayTable) -> None:
    states = json.loads((parity / "calvin_initial_states.json").read_text())["states"]
    for state in states[::4]:
        scene_obs = np.array(state["scene_obs"])
        table_d.reset(np.array(state["robot_obs"]), scene_obs)
        for _ in range(10):
            table_d.step(np.array([0.0, 0, 0, 0, 0, 0, 1]))
        np.testing.assert_allclose(table_d.state()[1], scene_obs, atol=3e-3)
        np.testing.assert_allclose(table_d.state()[0][:6], state["robot_obs"][:6], atol=3e-3)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_shows_drawer_slider_and_blocks(scene: str) -> None:
    sim = PlayTable(scene)
    sim.reset(seed=0)
    visible = [name for name, box in sim.true_boxes().items() if box is not None]
    assert {"drawer", "drawer_handle", "slider", "slider_handle", "led", "lightbulb"} <= set(visible)
    assert sum(name.endswith("_block") for name in visible) >= 2
    sim.close()


def test_info_has_the_structure_of_the_official_one(parity: Path, table_d: PlayTable) -> None:
    official = json.loads((parity / "calvin_oracle.json").read_text())["infos"][0]["info"]
    table_d.reset(seed=0)
    assert shape(table_d.info(), official) == shape(official, official)
    links = table_d.info()["scene_info"]["fixed_objects"]["table"]["links"]
    assert set(official["scene_info"]["fixed_objects"]["table"]["links"]) <= set(links)


def shape(value: Any, like: Any) -> Any:
    """Keys all the way down; the links of the table, and what lists hold, left out."""
    if isinstance(value, dict):
        return {key: shape(value[key], like.get(key)) for key in sorted(value) if key != "links"}
    return "sequence" if isinstance(value, list | tuple) else "number"


def test_unknown_camera_is_refused(table_d: PlayTable) -> None:
    with pytest.raises(SimulatorError, match="'tactile'; known cameras: static, gripper"):
        table_d.observe(("tactile",))


def test_robot_obs_of_another_size_is_refused(table_d: PlayTable) -> None:
    with pytest.raises(SimulatorError, match="robot_obs must be 15 finite numbers"):
        table_d.reset(np.zeros(8))


def test_official_scene_is_described_by_its_files(official_d: PlayTable, table_d: PlayTable) -> None:
    ours, official = table_d.description(), official_d.description()
    assert (ours["assets"], ours["assets_digest"]) == ("baton", "")
    assert (official["assets"][:10], len(official["assets_digest"])) == ("calvin_env", 64)
    assert ours["renderer"] == official["renderer"] == "tiny"
    assert set(ours) == set(official)


def test_official_scene_forgets_the_episode_before(official_d: PlayTable) -> None:
    first = episode_digest(official_d, 3)
    assert episode_digest(official_d, 4) != first
    assert episode_digest(official_d, 3) == first
