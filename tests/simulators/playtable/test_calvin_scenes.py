from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmark.tasks import SCENES
from errors import InvalidInput, SimulatorError, SimulatorMissing
from simulators.playtable.calvin_scenes import CHANGED_ORIGIN, PUBLISHED_ORIGIN, calvin_scene
from simulators.playtable.own_scenes import own_scene


@pytest.fixture
def clone(calvin_assets: Path, tmp_path: Path) -> Path:
    """A clone of calvin_env's files of which single ones can be replaced."""
    shutil.copytree(calvin_assets, tmp_path / "clone", copy_function=os.symlink)
    return tmp_path / "clone"


def replace(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_that_of_its_configuration(calvin_assets: Path, name: str) -> None:
    official, own = calvin_scene(name, calvin_assets), own_scene(name)
    assert list(official.blocks) == list(own.blocks)
    assert official.blocks == pytest.approx(dict(own.blocks))
    assert set(official.surfaces) == set(own.surfaces)
    assert official.drawer_x == pytest.approx(own.drawer_x)
    assert vars(official.ranges) == pytest.approx(vars(own.ranges))
    assert official.static_camera == own.static_camera
    assert official.hand_lens == own.hand_lens


def test_files_are_known_or_called_changed(calvin_assets: Path, clone: Path) -> None:
    published = calvin_scene("D", calvin_assets)
    assert published.origin == calvin_scene("D", clone).origin == PUBLISHED_ORIGIN
    texture = clone / "data/calvin_table_D/textures/dark_wood.png"
    replace(texture, texture.read_bytes() + b"\n")
    changed = calvin_scene("D", clone)
    assert changed.origin == CHANGED_ORIGIN
    assert changed.digest != published.digest


def test_another_folder_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(
        SimulatorMissing, match=r"is not a clone of calvin_env: .*calvin_scene_B\.yaml is missing"
    ):
        calvin_scene("B", tmp_path)


def test_unknown_scene_lists_the_known_ones(calvin_assets: Path) -> None:
    with pytest.raises(SimulatorError, match="scene 'E' is unknown; playtable has A, B, C, D"):
        calvin_scene("E", calvin_assets)


@pytest.mark.parametrize(
    "name",
    [
        "data/calvin_table_D/urdf/calvin_table_D.urdf",
        "data/calvin_table_D/meshes/drawer_link.obj",
        "data/calvin_table_D/meshes/drawer_link.mtl",
        "data/calvin_table_D/textures/dark_wood.png",
        "data/blocks/block_blue_small.urdf",
        "data/franka_panda/meshes/visual/hand.obj",
        "data/plane/plane.urdf",
        "conf/cameras/cameras/gripper.yaml",
    ],
)
def test_missing_file_is_named(clone: Path, name: str) -> None:
    (clone / name).unlink()
    with pytest.raises(SimulatorMissing, match=f"{Path(name).name} is missing"):
        calvin_scene("D", clone)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("conf/scene/calvin_scene_D.yaml", b"objects: [", "is not YAML"),
        ("conf/scene/calvin_scene_D.yaml", b"global_scaling: 0.8\n", "objects is missing"),
        (
            "conf/cameras/cameras/static.yaml",
            b"fov: wide\nwidth: 2\nheight: 2\n",
            "look_from is missing",
        ),
        ("data/calvin_table_D/urdf/calvin_table_D.urdf", b"<robot name='t'><link", "is damaged"),
        (
            "data/calvin_table_D/meshes/slide_link.obj",
            b"v 0 0 0\nf 1 2 3\n",
            "is damaged: a face has the corner '2'",
        ),
        ("data/calvin_table_D/meshes/button_link.STL", b"x" * 200, "is damaged: 200 bytes"),
        ("data/calvin_table_D/textures/dark_wood.png", b"\x89PNG\r\n", "is damaged"),
        ("data/blocks/block_red_middle.urdf", b"<robot name='b'/>", "holds no box"),
    ],
)
def test_damaged_file_is_named(clone: Path, name: str, content: bytes, message: str) -> None:
    replace(clone / name, content)
    with pytest.raises(InvalidInput, match=rf"{Path(name).name}.*{message}"):
        calvin_scene("D", clone)


def test_cut_mesh_that_still_is_a_mesh_counts_as_changed(clone: Path) -> None:
    mesh = clone / "data/franka_panda/meshes/visual/hand.obj"
    lines = mesh.read_bytes().splitlines(keepends=True)
    replace(mesh, b"".join(lines[: len(lines) // 4]))
    assert calvin_scene("D", clone).origin == CHANGED_ORIGIN
