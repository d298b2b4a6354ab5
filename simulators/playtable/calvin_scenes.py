"""CALVIN's own scenes, read from a clone of https://github.com/mees/calvin_env.

calvin_env/conf/scene/calvin_scene_*.yaml says what a scene is made of, calvin_env/data holds the files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from errors import InvalidInput, SimulatorError, SimulatorMissing
from settings.documents import parse_yaml
from settings.regular import MOST_YAML_BYTES, text_of
from simulators.playtable import assets
from simulators.playtable.camera_models import Lens, StaticCamera
from simulators.playtable.own_scenes import SCENES
from simulators.playtable.scene import (
    DESIGN_SCALE,
    DRAWER,
    SLOPE,
    Beyond,
    Light,
    Ranges,
    Scene,
    SceneFiles,
    Shown,
    Surface,
    Vector,
    table_landmarks,
)

_ROBOT = "franka_panda/panda_longer_finger.urdf"
_FLOOR = "plane/plane.urdf"
_ENVIRONMENT_SEED = 0
#: Digests of the scenes' files in calvin_env 797142c, its last commit.
_PUBLISHED = {
    "A": "0b4d9160b8308ad0eaba6230915b11019cac6483bb99853e29dc6d15566c82ec",
    "B": "231e910a9c5a0dee809a1eb7767bc8298ce29490ac6770b4be096c10b0e37857",
    "C": "08a9c283ddda03ae1ae40240c7ffde7978b96172cf42c2031d0197b92b265aee",
    "D": "a507936e38a8a588ad9e94dec61c482a0e7b0590bae5c8e3d19e3f9a161254b5",
}
PUBLISHED_ORIGIN, CHANGED_ORIGIN = "calvin_env 797142c", "calvin_env with changed files"
#: How far the drawer's front and the sliding door's face stand out, in design units; the handles are beyond.
_DRAWER_FACE, _DOOR_FACE = 0.23, 0.03


def calvin_scene(name: str, clone: Path) -> Scene:
    """CALVIN's scene `A`, `B`, `C` or `D`.

    Raises SimulatorError for another name, SimulatorMissing where `clone` is no clone of calvin_env or lacks
    a file, InvalidInput for a damaged file.
    """
    if name not in SCENES:
        raise SimulatorError(f"scene {name!r} is unknown; playtable has {', '.join(SCENES)}")
    config_file = clone / "conf" / "scene" / f"calvin_scene_{name}.yaml"
    if not config_file.is_file():
        raise SimulatorMissing(
            f"{clone} is not a clone of calvin_env: {config_file} is missing "
            "(git clone https://github.com/mees/calvin_env)"
        )
    config = _read(config_file)
    data = clone / "data"
    try:
        table = config["objects"]["fixed_objects"]["table"]
        files = SceneFiles(
            robot=data / _ROBOT,
            blocks={key: data / entry["file"] for key, entry in config["objects"]["movable_objects"].items()},
            table=data / table["file"],
            floor=data / _FLOOR,
        )
        scaling = float(config["global_scaling"])
        if scaling != DESIGN_SCALE:
            raise InvalidInput(f"{config_file}: global_scaling is {scaling}, not {DESIGN_SCALE}")
        lights = table["lights"]
        surfaces = {key: (_vector(low), _vector(high)) for key, (low, high) in config["surfaces"].items()}
        robot_position = _vector(config["robot_base_position"])
        robot_orientation = _vector(config["robot_base_orientation"])
        loading_poses = _loading_poses(config["objects"]["movable_objects"], surfaces)
        bulb, led = _light(lights["lightbulb"]), _light(lights["led"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{config_file} is not a scene of calvin_env: {error!r}") from None
    used = assets.closure([files.robot, *files.blocks.values(), files.table, files.floor])
    joints = assets.joints(files.table)
    static_file, hand_file = (
        clone / "conf/cameras/cameras" / f"{camera}.yaml" for camera in ("static", "gripper")
    )
    for file in (static_file, hand_file):
        if not file.is_file():
            raise SimulatorMissing(f"{file} is missing; clone calvin_env again")
    digest = assets.digest(clone, [config_file, static_file, hand_file, *used])
    drawer_x = joints["base__drawer"].origin[0]
    return Scene(
        name=name,
        origin=PUBLISHED_ORIGIN if digest == _PUBLISHED[name] else CHANGED_ORIGIN,
        digest=digest,
        blocks={key: assets.box_size(path)[0] * scaling for key, path in files.blocks.items()},
        surfaces=surfaces,
        write_files=lambda folder: files,
        boxes=_boxes(joints),
        landmarks=table_landmarks(
            joints["base__button"].origin[0],
            joints["base__switch"].origin[0],
            joints["base__slide"].origin[0],
            drawer_x,
        ),
        fixed_links=("base_link", "plank_link"),
        drawer_x=drawer_x * scaling,
        ranges=Ranges(
            slide=joints["base__slide"].upper * scaling,
            drawer=joints["base__drawer"].upper * scaling,
            button=joints["base__button"].upper * scaling,
            switch=joints["base__switch"].upper * scaling,
        ),
        deterministic_pairs=False,
        loading_poses=loading_poses,
        robot_position=robot_position,
        robot_orientation=robot_orientation,
        bulb=bulb,
        led=led,
        static_camera=_static_camera(static_file),
        hand_lens=_lens(hand_file, _read(hand_file)),
    )


def _boxes(joints: Mapping[str, assets.Joint]) -> dict[str, Shown]:
    out_of_front = (0.0, -math.sin(SLOPE), math.cos(SLOPE))
    door = float(np.dot(joints["base__slide"].origin, out_of_front)) + _DOOR_FACE
    drawer = -joints["base__drawer"].origin[1] + _DRAWER_FACE
    return {
        "red_block": Shown("block_red", ("base_link",)),
        "blue_block": Shown("block_blue", ("base_link",)),
        "pink_block": Shown("block_pink", ("base_link",)),
        "drawer": Shown("table", ("drawer_link",)),
        "drawer_handle": Shown(
            "table", ("drawer_link",), Beyond((0.0, -1.0, 0.0), drawer * DESIGN_SCALE, DRAWER)
        ),
        "slider": Shown("table", ("slide_link",)),
        "slider_handle": Shown("table", ("slide_link",), Beyond(out_of_front, door * DESIGN_SCALE)),
        "switch": Shown("table", ("switch_link",)),
        "button": Shown("table", ("button_link",)),
        "led": Shown("table", ("led_link",)),
        "lightbulb": Shown("table", ("light_link",)),
    }


def _loading_poses(
    blocks: Mapping[str, Mapping[str, Any]], surfaces: Mapping[str, Surface]
) -> dict[str, tuple[Vector, Vector]]:
    """Where calvin_env loads the blocks, drawn as scene/objects/movable_object.py does with the seed of
    conf/env/play_table_env.yaml and the generator of gym 0.22 and later: it shows in the last bits of contacts
    in which bodies overlap."""
    rng = np.random.default_rng(_ENVIRONMENT_SEED)
    poses = {}
    for name, entry in blocks.items():
        position, euler = entry["initial_pos"], entry["initial_orn"]
        if position == "any":
            low, high = surfaces[rng.choice(list(surfaces))]
            position = rng.uniform(low, high)
        if euler == "any":
            euler = rng.uniform([0.0, 0.0, -math.pi], [0.0, 0.0, math.pi])
        poses[name] = (_vector(position), _vector(euler))
    return poses


def _vector(values: Iterable[Any]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _light(entry: Mapping[str, Any]) -> Light:
    red, green, blue, alpha = (float(value) for value in entry["color"])
    return Light(str(entry["link"]), (red, green, blue, alpha))


def _static_camera(file: Path) -> StaticCamera:
    config = _read(file)
    try:
        eye, target, up = (_vector(config[key]) for key in ("look_from", "look_at", "up_vector"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{file} is not a camera of calvin_env: {error!r}") from None
    return StaticCamera(_lens(file, config), eye, target, up)


def _lens(file: Path, config: Mapping[str, Any]) -> Lens:
    try:
        if config["width"] != config["height"]:
            raise InvalidInput(f"{file}: width and height differ")
        return Lens(
            float(config["fov"]), float(config["nearval"]), float(config["farval"]), int(config["width"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{file} is not a camera of calvin_env: {error!r}") from None


def _read(file: Path) -> dict[str, Any]:
    content = parse_yaml(text_of(file, InvalidInput, MOST_YAML_BYTES), str(file), InvalidInput)
    if not isinstance(content, dict):
        raise InvalidInput(f"{file} is not a configuration of calvin_env")
    return content
