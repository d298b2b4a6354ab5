"""Scenes of strangers: a clone of calvin_env is somebody's files, and all that they say is looked at before PyBullet
loads them.

Each case is a small sound clone in which one thing is replaced.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from errors import BatonError
from simulators.playtable import assets, meshes
from simulators.playtable.calvin_scenes import calvin_scene
from tests.hostile.sentences import sentence
from tests.simulators.clone_stand_in import make_clone

SCENE, STATIC, GRIPPER = (
    "conf/scene/calvin_scene_D.yaml",
    "conf/cameras/cameras/static.yaml",
    "conf/cameras/cameras/gripper.yaml",
)
ROBOT, FLOOR = "data/franka_panda/panda_longer_finger.urdf", "data/plane/plane.urdf"
INF, NAN = float("inf"), float("nan")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("sound") / "clone")


@pytest.fixture
def clone(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "clone"))


def replaced(values: Any, key: str, value: Any) -> Any:
    """A copy with the value at the dotted key; `...` takes the key out."""
    first, _, rest = key.partition(".")
    inner = replaced(values[first], rest, value) if rest else value
    return {name: item for name, item in (values | {first: inner}).items() if item is not ...}


def check_refused(clone: Path, file: str) -> str:
    with pytest.raises(BatonError) as refused:
        calvin_scene("D", clone)
    assert refused.value.exit_code in (2, 3)
    return sentence(refused, clone / file)


TABLE, RED = "objects.fixed_objects.table", "objects.movable_objects.block_red"
#: The file, the key in it, what stands there, and what is named.
VALUES: list[tuple[str, str, Any, str]] = [
    *((SCENE, f"{TABLE}.file", value, f"{TABLE}.file")
      for value in ("x" * 300, "x/" * 3000, "a\0b", "a\x1b[2J", "", 3, ["x"], None, True)),
    (SCENE, f"{RED}.file", "x" * 300, f"{RED}.file"),
    *((SCENE, f"{RED}.initial_pos", value, f"{RED}.initial_pos")
      for value in ([NAN] * 3, [INF, 0, 0], ["1e999", 0, 0], ["1"] * 3, [True] * 3, [0] * 2, "0.1", "anything", 3,
                    [1e300] * 3, [[1], [2], [3]], None)),
    (SCENE, f"{RED}.initial_orn", [NAN] * 3, f"{RED}.initial_orn"),
    (SCENE, "objects.movable_objects", {}, "objects.movable_objects"),
    (SCENE, RED, ..., "objects.movable_objects"),
    (SCENE, "objects.movable_objects.block_green", {"file": "x"}, "objects.movable_objects"),
    (SCENE, "objects.movable_objects", [], "objects.movable_objects"),
    (SCENE, "surfaces", {}, "surfaces"),
    (SCENE, "surfaces", [], "surfaces"),
    *((SCENE, "surfaces.table", value, "surfaces.table")
      for value in ([[0, 0, 0], [INF] * 3], [[NAN] * 3, [1, 1, 1]], [[1, 1, 1], [0, 0, 0]], [[0, 0, 0]], "x" * 5000,
                    [[0, 0, 0], "abc"])),
    *((SCENE, "global_scaling", value, "global_scaling") for value in (NAN, INF, "x" * 9000, "0.8", [0.8], None, 1)),
    *((SCENE, "robot_base_position", value, "robot_base_position")
      for value in ([1e300] * 3, "123", [True] * 3, [NAN] * 3, {"a": 1, "b": 2, "c": 3})),
    (SCENE, "robot_base_orientation", ["0"] * 3, "robot_base_orientation"),
    *((SCENE, f"{TABLE}.lights.led.color", value, f"{TABLE}.lights.led.color")
      for value in ([NAN] * 4, [0, 0, 0], [2, 0, 0, 1], [-1, 0, 0, 1], "1111")),
    *((SCENE, f"{TABLE}.lights.led.link", value, f"{TABLE}.lights.led.link")
      for value in ("x" * 9000, "nowhere", "a\x1b[2J", 3, ["led_link"])),
    (SCENE, f"{TABLE}.lights.lightbulb", 3, f"{TABLE}.lights.lightbulb"),
    *((STATIC, "width", value, "width") for value in (-5, 0, 100_000, 200.5, "200", True, INF, NAN, 10**90, [200])),
    *((STATIC, "fov", value, "fov") for value in (0, -10, 180, NAN, "10")),
    *((STATIC, "nearval", value, "nearval") for value in (0, -1, NAN)),
    *((STATIC, "farval", value, "farval") for value in (1e300, 0.001)),
    (STATIC, "look_at", [NAN] * 3, "look_at"),
    (STATIC, "look_at", [2.871459009488717, -2.166602199425597, 2.555159848480571], "look_at"),
    (STATIC, "up_vector", [0, 0, 0], "up_vector"),
    (GRIPPER, "width", 100_000, "width"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "key", "value", "says"), VALUES, ids=range(len(VALUES)))
def test_a_value_that_no_scene_has_is_refused(
    clone: Path, file: str, key: str, value: Any, says: str
) -> None:
    values = yaml.safe_load((clone / file).read_text())
    changed = replaced(values, key, value)
    if key == "width":
        changed["height"] = value
    (clone / file).write_text(yaml.safe_dump(changed))
    assert f": {says}" in check_refused(clone, file)


MESH = '<link name="m"><visual><geometry><mesh filename="{}"/></geometry></visual></link>'


def in_place_of(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return change


def first_link(link: str) -> Callable[[str], str]:
    return lambda text: text.replace("</robot>", f"{link}</robot>")


BODIES: dict[str, tuple[Callable[[str], str], str]] = {
    "a joint less": (in_place_of('joint name="base__drawer"', 'joint name="base__other"'), "base__drawer"),
    "a link less": (in_place_of('link name="plank_link"', 'link name="other"'), "plank_link"),
    "a place that is none": (in_place_of('xyz="', 'xyz="nan nan nan" was="'), "xyz of"),
    "a place far away": (in_place_of('xyz="', 'xyz="1e300 0 0" was="'), "xyz of"),
    "a long place": (in_place_of('xyz="', f'xyz="{"0 " * 9000}" was="'), "xyz of"),
    "a turn that is none": (in_place_of('rpy="', 'rpy="inf 0 0" was="'), "rpy of"),
    "a box that is none": (in_place_of('<box size="', '<box size="nan 1 1" was="'), "size of"),
    "an end of infinity": (in_place_of('upper="', 'upper="1e999" was="'), "upper of"),
    "a long name of a joint": (first_link(f'<joint name="{"n" * 5000}"/>'), "joint 'nnnn"),
    "a long name of a mesh": (first_link(MESH.format("x" * 300 + ".obj")), "mesh 'xxxx"),
    "a longer name": (first_link(MESH.format("x" * 9000)), "mesh 'xxxx"),
    "a mesh without a name": (first_link(MESH.format("")), "neither an OBJ nor an STL"),
    "an unknown encoding": (lambda text: '<?xml version="1.0" encoding="nonsense"?>' + text, "is damaged"),
    "an encoding of bytes": (lambda text: '<?xml version="1.0" encoding="zip_codec"?>' + text, "is damaged"),
    "a file of the machine": (
        lambda text: (
            '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
            + text.replace("</robot>", "&a;</robot>")
        ),
        "damaged",
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_cannot_be_loaded_is_refused(case: str, clone: Path) -> None:
    change, says = BODIES[case]
    scene = yaml.safe_load((clone / SCENE).read_text())
    file = f"data/{scene['objects']['fixed_objects']['table']['file']}"
    (clone / file).write_text(change((clone / file).read_text()))
    assert says in check_refused(clone, file)


@pytest.mark.parametrize("name", ["panda_joint4", "panda_finger_joint2", "tcp", "gripper_cam"])
def test_a_robot_without_what_moves_it_is_refused(name: str, clone: Path) -> None:
    text = (clone / ROBOT).read_text()
    (clone / ROBOT).write_text(text.replace(f'name="{name}"', 'name="other"', 1))
    assert name in check_refused(clone, ROBOT)


CORNERS = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n"
MESHES: dict[str, tuple[str, str]] = {
    "a face of nothing": (CORNERS + "f\n", "face of 0 corners"),
    "a face of two": (CORNERS + "f 1 2\n", "face of 2 corners"),
    "a number that is none": (CORNERS + "f ² ² ²\n", "the corner '²'"),
    "digits of another writing": (CORNERS + "f ٣ ٣ ٣\n", "the corner"),
    "many digits": (CORNERS + f"f {'1' * 5000} 1 1\n", "the corner '1111"),
    "a long corner": (CORNERS + f"f {'x' * 50_000} 1 1\n", "the corner 'xxxx"),
    "no such texture": (CORNERS + "f 1/1 2/9 3/1\n", "the corner '2/9'"),
    "no such normal": (CORNERS + "f 1//1 2//9 3//1\n", "the corner '2//9'"),
    "a texture before the first": (CORNERS + "f 1/1 2/0 3/1\n", "the corner '2/0'"),
    "four numbers": (CORNERS + "f 1/1/1/1 2 3\n", "the corner '1/1/1/1'"),
    "no such vertex": (CORNERS + "f 1 2 4\n", "the corner '4'"),
    "no face": (CORNERS, "no face"),
    "vertices of nothing": ("v\n" * 5 + "f 1 2 3\n", "not three numbers"),
    "a vertex far away": ("v 1e300 0 0\n" * 3 + "f 1 2 3\n", "usable vertices"),
    "a material of a long name": (CORNERS + f"mtllib {'x' * 400}\nf 1/1 2/1 3/1\n", "mtllib 'xxxx"),
    "that nobody needs": (CORNERS.replace("vt 0 0\n", "") + f"mtllib {'x' * 400}\nf 1 2 3\n", "mtllib 'xx"),
    "a material with a zero": (CORNERS + "mtllib a\0b\nf 1/1 2/1 3/1\n", r"mtllib 'a\x00b'"),
}


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A body with a mesh, a material and a texture."""
    (tmp_path / "m.obj").write_text(f"mtllib m.mtl\n{CORNERS}f 1/1/1 2/1/1 3/1/1\n")
    (tmp_path / "m.mtl").write_text("newmtl x\nmap_Kd t.png\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "t.png")
    (file := tmp_path / "b.urdf").write_text(f'<robot name="b">{MESH.format("m.obj")}</robot>')
    return file


@pytest.mark.parametrize("case", MESHES)
def test_a_mesh_that_cannot_be_drawn_is_refused(case: str, body: Path) -> None:
    text, says = MESHES[case]
    (mesh := body.parent / "m.obj").write_text(text)
    with pytest.raises(BatonError) as refused:
        assets.closure([body])
    assert says in sentence(refused, mesh)


def picture(kind: str, size: tuple[int, int] = (2, 2)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["EPS", "GIF", "TIFF", "PPM", "ICO", "PCX", "WEBP", "PDF"])
def test_a_texture_of_another_kind_is_not_read(kind: str, body: Path) -> None:
    """Pillow has another program open some of them."""
    (texture := body.parent / "t.png").write_bytes(picture(kind))
    with pytest.raises(BatonError, match="cannot identify") as refused:
        assets.closure([body])
    sentence(refused, texture)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_textures_of_known_kinds_are_read(kind: str, body: Path) -> None:
    (texture := body.parent / "t.png").write_bytes(picture(kind))
    assert assets.closure([body])[-1] == texture


def test_a_texture_of_many_pixels_is_not_loaded(body: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MOST_PIXELS", 12)
    (texture := body.parent / "t.png").write_bytes(picture("PNG", (3, 4)))
    assert assets.closure([body])[-1] == texture
    texture.write_bytes(picture("PNG", (13, 1)))
    with pytest.raises(BatonError, match="13 x 1 pixels, and at most 12") as refused:
        assets.closure([body])
    sentence(refused, texture)


@pytest.mark.parametrize("name", ["x" * 400, "a\0b"])
def test_a_texture_of_a_strange_name_is_refused(name: str, body: Path) -> None:
    (body.parent / "m.mtl").write_text(f"map_Kd {name}\n")
    with pytest.raises(BatonError, match="map_Kd") as refused:
        assets.closure([body])
    sentence(refused, body.parent / "m.mtl")


def test_elements_in_each_other_are_counted(body: Path) -> None:
    body.write_text("<robot>" + "<a>" * 60 + "</a>" * 60 + "</robot>")
    with pytest.raises(BatonError, match="elements in each other") as refused:
        assets.closure([body])
    sentence(refused, body)


def test_a_sound_clone_is_a_scene(clone: Path) -> None:
    assert set(calvin_scene("D", clone).blocks) == {"block_red", "block_blue", "block_pink"}


def test_sound_corners_are_vertices(tmp_path: Path) -> None:
    (file := tmp_path / "m.obj").write_text(
        CORNERS + "f 1 2 3\nf 1/1 2/1 3/1\nf 1//1 2//1 3//1\nf 1/1/1 2/1/1 3/1/1\n"
    )
    assert len(meshes.vertices(file)) == 3
