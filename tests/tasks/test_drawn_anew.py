"""Frames of a dataset drawn anew: by whom, of whose scenes, and what a file says of it besides."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import CalvinSplit, open_dataset
from simulators.base import Simulator
from simulators.playtable.env import PlayTable
from simulators.playtable.renderers import egl_fault
from simulators.registry import create
from tasks.drawn_anew import looked_at, maker
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.simulators.clone_stand_in import make_clone
from tests.simulators.conftest import shared_folder

WITH_EGL = pytest.mark.skipif(egl_fault() is not None, reason="EGL does not draw here")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("assets") / "calvin_env")


@pytest.fixture(scope="module")
def states() -> list[tuple[np.ndarray, np.ndarray]]:
    """States of the table, two demonstrations' worth."""
    table = PlayTable("D")
    found = []
    for seed in range(3):
        table.reset(seed=seed)
        found.append(table.state())
    table.close()
    return found


def data(
    root: Path, states: Sequence[tuple[np.ndarray, np.ndarray]], drawers: Sequence[Simulator], **told: Any
):
    """A dataset whose demonstrations begin in `states`, each drawn by its simulator; opened."""
    episodes = []
    for number, ((robot_obs, scene_obs), drawer) in enumerate(zip(states, drawers, strict=True)):
        drawer.reset(robot_obs, scene_obs)
        picture = drawer.observe(("static",))["rgb_static"]
        episodes.append(
            make_episode(
                10 * number,
                2,
                rgb_static=np.stack([picture] * 2),
                robot_obs=np.stack([robot_obs] * 2),
                scene_obs=np.stack([scene_obs] * 2),
            )
        )
    folder = write_split(root, "training", episodes, **told)
    (folder / ".hydra").mkdir()
    return open_dataset(root, "training")


def says(split: CalvinSplit, used: bool) -> None:
    (split.folder / ".hydra" / "merged_config.yaml").write_text(f"env: {{use_egl: {str(used).lower()}}}\n")


def test_frames_of_tiny_are_known_whatever_the_file_says(
    tmp_path: Path, states: list[Any], clone: Path
) -> None:
    make = maker("playtable", str(clone), None)
    tiny = make("D", "tiny")
    split = data(tmp_path, states, [tiny] * 3)
    tiny.close()
    for used in (True, False):
        says(split, used)
        found = looked_at(split, make)
        assert (found.renderer, found.scenes) == ("tiny", "calvin")
        assert "3 frames drawn anew by tiny come out the same" in found.basis
        assert looked_at(split, None).renderer is None  # without a simulator of these scenes


@WITH_EGL
def test_frames_of_egl_are_known_whatever_the_file_says(
    tmp_path: Path, states: list[Any], clone: Path
) -> None:
    make = maker("playtable", str(clone), None)
    tiny, egl = make("D", "tiny"), make("D", "egl")
    split, mixed = data(tmp_path / "one", states, [egl] * 3), data(tmp_path / "two", states, [egl, tiny, egl])
    tiny.close()
    egl.close()
    says(split, False)
    assert looked_at(split, make).renderer == "egl"
    found = looked_at(mixed, make)
    assert found.renderer is None and "not all frames come out the same: 1 of 3 by tiny" in found.basis


def test_frames_of_another_scene_prove_nothing(tmp_path: Path, states: list[Any], clone: Path) -> None:
    """Another camera here; the file still says who drew them, and still that is no evidence."""
    changed = tmp_path / "changed"
    shutil.copytree(clone, changed)
    camera = changed / "conf/cameras/cameras/static.yaml"
    camera.write_text(camera.read_text().replace('"fov": 10', '"fov": 14'))
    other = create("playtable", "D", assets=str(changed), renderer="tiny")
    split = data(tmp_path / "data", states, [other] * 3)
    other.close()
    says(split, False)
    found = looked_at(split, maker("playtable", str(clone), None))
    assert found.renderer is None
    assert found.basis.startswith("only .hydra/merged_config.yaml says tiny")
    assert "grey levels apart from the recorded ones" in found.basis


def test_scenes_are_told_by_pictures_where_the_dataset_names_none(tmp_path: Path) -> None:
    assets = shared_folder("BATON_CALVIN_ASSETS", "calvin_assets")
    make = maker("playtable", str(assets), None)
    table = make("B", "tiny")
    states = []
    for seed in range(3):
        table.reset(seed=seed)
        states.append(table.state())
    split = data(tmp_path, states, [table] * 3)
    table.close()
    (split.folder / "scene_info.npy").unlink()
    found = looked_at(open_dataset(tmp_path, "training"), make)
    assert (found.renderer, found.scenes) == ("tiny", "calvin")


def test_pictures_count_more_than_a_record(tmp_path: Path, states: list[Any]) -> None:
    """A sealed record that names another renderer than the one that draws these very pictures."""
    table = PlayTable("D")
    split = data(tmp_path, states, [table] * 3, drawn_by="egl", scenes="baton")
    table.close()
    found = looked_at(split, None)  # Baton's own scenes are always at hand
    assert (found.renderer, found.scenes) == ("tiny", "baton")
    assert "yet Baton drew the frames and recorded it" in found.basis


def test_frames_that_cannot_be_drawn_prove_nothing(tmp_path: Path, clone: Path) -> None:
    """No scene is known, or the simulator is not here."""
    write_split(tmp_path / "a", "training", [make_episode(scene="unknown")])
    found = looked_at(open_dataset(tmp_path / "a", "training"), maker("playtable", str(clone), None))
    assert (found.renderer, found.basis) == (None, "nothing in the dataset tells")
    write_split(tmp_path / "b", "training", [make_episode(scene="B")])  # the clone has scene D only
    found = looked_at(open_dataset(tmp_path / "b", "training"), maker("playtable", str(clone), None))
    assert (found.renderer, found.basis) == (None, "nothing in the dataset tells")
