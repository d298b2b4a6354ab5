"""CALVIN's own scenes, read from a clone of https://github.com/mees/calvin_env.

calvin_env/conf/scene/calvin_scene_*.yaml says what a scene is made of, calvin_env/data holds the files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.cameras import CAMERAS, Lens, StaticCamera
from benchmark.observations import DRAWER
from benchmark.tasks import SCENES
from errors import InvalidInput, SimulatorError, SimulatorMissing
from settings.documents import parse_yaml
from settings.regular import MOST_YAML_BYTES, text_of
from simulators.playtable import assets
from simulators.playtable.scene import (
    ARM_JOINTS,
    CAMERA_LINK,
    DESIGN_SCALE,
    FINGER_JOINTS,
    SLOPE,
    TABLE_JOINTS,
    TOOL_LINK,
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
from simulators.playtable.scene_values import Entry

_ROBOT = "franka_panda/panda_longer_finger.urdf"
_FLOOR = "plane/plane.urdf"
_BLOCKS = {"block_red", "block_blue", "block_pink"}
_FIXED_LINKS = ("base_link", "plank_link")
#: What the boxes and the cameras ask for by name.
_TABLE_LINKS = (*_FIXED_LINKS, "drawer_link", "slide_link", "switch_link", "button_link")
#: Of a side of a picture; calvin_env's cameras have 200 and 84.
_MOST_PIXELS = 4096
_NEAREST = 1e-6
_FIELD_OF_VIEW = (0.01, 179.0)
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
    scaling = config.of("global_scaling").number()
    if scaling != DESIGN_SCALE:
        raise InvalidInput(f"{config_file}: global_scaling is {scaling}, not {DESIGN_SCALE}")
    table, blocks = config.of("objects").of("fixed_objects").of("table"), _blocks(config)
    files = SceneFiles(
        robot=data / _ROBOT,
        blocks={key: entry.of("file").below(data) for key, entry in blocks.items()},
        table=table.of("file").below(data),
        floor=data / _FLOOR,
    )
    surfaces = {key: config.of("surfaces").of(key).surface() for key in config.of("surfaces").mapping()}
    if not surfaces:
        raise config.of("surfaces").refusal("no surface")
    bulb, led = (_light(table.of("lights").of(name), files.table) for name in ("lightbulb", "led"))
    used = assets.closure([files.robot, *files.blocks.values(), files.table, files.floor])
    joints = assets.joints(files.table)
    assets.need_parts(files.table, TABLE_JOINTS, (*_TABLE_LINKS, bulb.link, led.link))
    assets.need_parts(files.robot, (*ARM_JOINTS, *FINGER_JOINTS), (TOOL_LINK, CAMERA_LINK))
    static_file, hand_file = (clone / "conf/cameras/cameras" / f"{camera}.yaml" for camera in CAMERAS)
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
        fixed_links=_FIXED_LINKS,
        drawer_x=drawer_x * scaling,
        ranges=Ranges(
            slide=joints["base__slide"].upper * scaling,
            drawer=joints["base__drawer"].upper * scaling,
            switch=joints["base__switch"].upper * scaling,
        ),
        deterministic_pairs=False,
        loading_poses=_loading_poses(blocks, surfaces),
        robot_position=config.of("robot_base_position").vector(),
        robot_orientation=config.of("robot_base_orientation").vector(),
        bulb=bulb,
        led=led,
        static_camera=_static_camera(static_file),
        hand_lens=_lens(_read(hand_file)),
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


def _blocks(config: Entry) -> dict[str, Entry]:
    """In the order of `scene_obs`."""
    entries = config.of("objects").of("movable_objects")
    if set(entries.mapping()) != _BLOCKS:
        raise entries.refusal(f"not of {', '.join(sorted(_BLOCKS))}")
    return {name: entries.of(name) for name in entries.mapping()}


def _loading_poses(
    blocks: Mapping[str, Entry], surfaces: Mapping[str, Surface]
) -> dict[str, tuple[Vector, Vector]]:
    """Where calvin_env loads the blocks, drawn as scene/objects/movable_object.py does with the seed of
    conf/env/play_table_env.yaml and the generator of gym 0.22 and later: it shows in the last bits of contacts
    in which bodies overlap."""
    rng = np.random.default_rng(_ENVIRONMENT_SEED)
    poses = {}
    for name, block in blocks.items():
        position, euler = block.of("initial_pos"), block.of("initial_orn")
        if position.value == "any":
            low, high = surfaces[rng.choice(list(surfaces))]
            position = replace(position, value=rng.uniform(low, high).tolist())
        if euler.value == "any":
            euler = replace(euler, value=rng.uniform([0.0, 0.0, -math.pi], [0.0, 0.0, math.pi]).tolist())
        poses[name] = (position.vector(), euler.vector())
    return poses


def _light(entry: Entry, table: Path) -> Light:
    red, green, blue, alpha = entry.of("color").numbers(4, 0.0, 1.0)
    link = entry.of("link")
    if link.name() not in assets.names(table, "link"):
        raise link.refusal(f"no link of {table}")
    return Light(link.name(), (red, green, blue, alpha))


def _static_camera(file: Path) -> StaticCamera:
    config = _read(file)
    eye, target, up = (config.of(key).vector() for key in ("look_from", "look_at", "up_vector"))
    if eye == target:
        raise config.of("look_at").refusal("where the camera is")
    if not any(up):
        raise config.of("up_vector").refusal("no direction")
    return StaticCamera(_lens(config), eye, target, up)


def _lens(config: Entry) -> Lens:
    width, height = (config.of(side).whole(1, _MOST_PIXELS) for side in ("width", "height"))
    if width != height:
        raise config.of("width").refusal(f"another than the height, {height}")
    near = config.of("nearval").number(_NEAREST)
    return Lens(config.of("fov").number(*_FIELD_OF_VIEW), near, config.of("farval").number(near), width)


def _read(file: Path) -> Entry:
    content = parse_yaml(text_of(file, InvalidInput, MOST_YAML_BYTES), str(file), InvalidInput)
    if not isinstance(content, dict):
        raise InvalidInput(f"{file} is not a configuration of calvin_env")
    return Entry(content, file)
