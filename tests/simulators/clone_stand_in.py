"""A folder of the form of a clone of calvin_env, filled with Baton's own bodies: scene D, to be drawn and changed."""

from __future__ import annotations

import json
from pathlib import Path

from simulators.playtable.own_scenes import own_scene

_CAMERA = {"static": (10, 0.01, 10, 200), "gripper": (75, 0.01, 2, 84)}
_LOOK = {
    "look_at": [-0.026242351159453392, -0.0302329882979393, 0.3920000493526459],
    "look_from": [2.871459009488717, -2.166602199425597, 2.555159848480571],
    "up_vector": [0.4041403970338857, 0.22629790978217404, 0.8862616969685161],
}


def make_clone(folder: Path) -> Path:
    """Two calls give the same bytes. Configurations are JSON, which is YAML."""
    data, conf = folder / "data", folder / "conf"
    data.mkdir(parents=True)
    scene = own_scene("D")
    files = scene.write_files(data)
    (data / "franka_panda").mkdir()
    (data / "plane").mkdir()
    for urdf, place in (
        (files.robot, "franka_panda/panda_longer_finger.urdf"),
        (files.floor, "plane/plane.urdf"),
    ):
        (data / place).write_text(urdf.read_text().replace('filename="', 'filename="../'))
    content = {
        "global_scaling": 0.8,
        "robot_base_position": scene.robot_position,
        "robot_base_orientation": [0, 0, 0],
        "surfaces": scene.surfaces,
        "objects": {
            "fixed_objects": {
                "table": {
                    "file": files.table.name,
                    "lights": {
                        "lightbulb": {"link": "light_link", "color": [1, 1, 0, 1]},
                        "led": {"link": "led_link", "color": [0, 1, 0, 1]},
                    },
                }
            },
            "movable_objects": {
                name: {"file": file.name, "initial_pos": [0.1, -0.1, 1], "initial_orn": [0, 0, 0]}
                for name, file in files.blocks.items()
            },
        },
    }
    _write(conf / "scene" / "calvin_scene_D.yaml", content)
    for name, (fov, near, far, pixels) in _CAMERA.items():
        lens = {"fov": fov, "nearval": near, "farval": far, "width": pixels, "height": pixels}
        _write(conf / "cameras" / "cameras" / f"{name}.yaml", {**lens, **(_LOOK if name == "static" else {})})
    return folder


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
