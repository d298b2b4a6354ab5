"""CALVIN's own scenes on our simulator against recordings of the official one: states and pixels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from settings.machine import pybullet_build
from simulators.playtable.env import PlayTable
from tests.simulators.conftest import shared_folder

_SHARED = Path(__file__).parents[3] / "shared"
_FOLDER = Path(os.environ.get("BATON_PARITY", _SHARED / "parity")) / "calvin_dynamics"
_FILE = _FOLDER / "dynamics.json"
_RECORDED: dict[str, Any] = json.loads(_FILE.read_text()) if _FILE.is_file() else {"runs": []}
_RUNS = _RECORDED["runs"]
_PICTURES = sorted(_FOLDER.glob("run_*/step*_rgb_*.png"))

#: Builds of one simulator: the same states and pictures to the last bit (`trials/interpreters/scenes.py`).
_SAME_BITS = ("3.2.7", "pybullet-arm64 3.2.8")
_IS_SAME_BUILD = all(build in _SAME_BITS for build in (_RECORDED.get("pybullet"), pybullet_build()))
#: With another PyBullet than the recording's, rounding differs; contacts amplify it.
_LOOSE, _LOOSE_IN_CONTACT = 1e-6, 2e-2

pytestmark = pytest.mark.skipif(not _RUNS, reason=f"{_FILE} is not here (BATON_PARITY)")


def run_names() -> list[str]:
    """run_<scene><k>: k counts the runs of a scene, or all runs; the folders tell."""
    names = []
    for number, run in enumerate(_RUNS):
        letter = run["scene"].removeprefix("calvin_scene_")
        earlier = sum(other["scene"] == run["scene"] for other in _RUNS[:number])
        in_scene, overall = f"run_{letter}{earlier}", f"run_{letter}{number}"
        names.append(in_scene if (_FOLDER / in_scene).is_dir() else overall)
    return names


@pytest.fixture(scope="module")
def tables() -> Iterator[dict[str, PlayTable]]:
    opened: dict[str, PlayTable] = {}
    yield opened
    for table in opened.values():
        table.close()


@pytest.mark.parametrize("number", range(len(_RUNS)), ids=run_names())
def test_states_and_pixels_are_the_official_ones(number: int, tables: dict[str, PlayTable]) -> None:
    run = _RUNS[number]
    scene = run["scene"].removeprefix("calvin_scene_")
    if scene not in tables:
        tables[scene] = PlayTable(scene, shared_folder("BATON_CALVIN_ASSETS", "calvin_assets"))
    table = tables[scene]
    assert list(table.scene.blocks) == run["movable_object_order"]
    table.reset(np.array(run["reset_robot_obs"]), np.array(run["reset_scene_obs"]))
    compared = 0
    for step in range(len(run["robot_obs"])):
        if step > 0:
            table.step(np.array(run["actions"][step - 1]))
        touched = any(run["num_robot_contacts_after_each_step"][:step])
        tolerance = 0.0 if _IS_SAME_BUILD else _LOOSE_IN_CONTACT if touched else _LOOSE
        robot_obs, scene_obs = table.state()
        official_obs = np.array(run["robot_obs"][step])
        if step == 0:  # a new official environment says 1 whatever it is reset to (official code, C7)
            official_obs[14] = run["reset_robot_obs"][14]
        np.testing.assert_allclose(robot_obs, official_obs, rtol=0, atol=tolerance)
        np.testing.assert_allclose(scene_obs, run["scene_obs"][step], rtol=0, atol=tolerance)
        for camera in ("static", "gripper"):
            file = _FOLDER / run_names()[number] / f"step{step:02d}_rgb_{camera}.png"
            if file.is_file():
                official = np.array(Image.open(file))[:, :, :3]
                ours = table.observe((camera,))[f"rgb_{camera}"]
                differing = int((official != ours).any(axis=2).sum())
                assert differing == 0 or (not _IS_SAME_BUILD and differing < official.size // 30)
                compared += 1
    assert compared == sum(picture.parent.name == run_names()[number] for picture in _PICTURES) > 0


@pytest.mark.parametrize("number", range(len(_RUNS)), ids=run_names())
def test_uids_and_contacts_are_the_official_ones(number: int, tables: dict[str, PlayTable]) -> None:
    run = _RUNS[number]
    scene = run["scene"].removeprefix("calvin_scene_")
    if scene not in tables:
        tables[scene] = PlayTable(scene, shared_folder("BATON_CALVIN_ASSETS", "calvin_assets"))
    table = tables[scene]
    table.reset(np.array(run["reset_robot_obs"]), np.array(run["reset_scene_obs"]))
    uids = {"robot": table.robot.uid, "table": table.table.uid, **table.table.blocks}
    assert uids == run["uids"]
    contacts = []
    for action in run["actions"]:
        table.step(np.array(action))
        contacts.append(len(table.info()["robot_info"]["contacts"]))
    if _IS_SAME_BUILD:
        assert contacts == run["num_robot_contacts_after_each_step"]
