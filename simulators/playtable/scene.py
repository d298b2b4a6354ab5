"""What a scene consists of, as data: files, names of joints and links, block order, surfaces.

Nothing here talks to the physics engine. `calvin_env/conf/scene/calvin_scene_{A,B,C,D}.yaml` is where
the block order (it is the order of `scene_obs`), the block sizes and the surfaces come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errors import SimulatorError
from simulators.playtable import furniture, textures
from simulators.playtable.furniture import Layout
from simulators.playtable.panda import panda
from simulators.playtable.urdf import write_body, write_textures

Colour = tuple[float, float, float, float]
Surface = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class SceneFiles:
    """The URDFs of a scene. `pedestal` is drawn under the robot."""

    robot: Path
    pedestal: Path
    blocks: Mapping[str, Path]
    table: Path
    floor: Path


@dataclass(frozen=True)
class Light:
    link: str
    colour_on: Colour
    colour_off: Colour = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """`blocks` maps names, in the order of `scene_obs`, to lengths in m; `surfaces` are the (low, high)
    corners of block centres in m; `drawer_x` is the drawer's middle in m.

    `boxes` maps the name of a true box to (body, links): the pixels of these links make the box; a body is
    `table` or a block's name. `landmarks` are points to act on: (table link, point in design metres in the
    link's frame). `fixed_links` are the table's links that never move, lamps included. `write_files` puts
    the URDFs into a folder.
    """

    name: str
    blocks: Mapping[str, float]
    surfaces: Mapping[str, Surface]
    write_files: Callable[[Path], SceneFiles]
    boxes: Mapping[str, tuple[str, tuple[str, ...]]]
    landmarks: Mapping[str, tuple[str, tuple[float, float, float]]]
    fixed_links: tuple[str, ...]
    drawer_x: float
    global_scaling: float
    robot_position: tuple[float, float, float] = (-0.34, -0.46, 0.24)
    slide_joint: str = "base__slide"
    drawer_joint: str = "base__drawer"
    button_joint: str = "base__button"
    switch_joint: str = "base__switch"
    bulb: Light = Light("light_link", (1.0, 1.0, 0.0, 1.0))
    led: Light = Light("led_link", (0.0, 1.0, 0.0, 1.0))


@dataclass(frozen=True)
class _Variant:
    layout: Layout
    blocks: Mapping[str, float]
    table_x: tuple[float, float]
    slider_left_x: tuple[float, float]
    slider_right_x: tuple[float, float]
    frame: tuple[textures.Colour, float]
    panel: tuple[textures.Colour, float]


_BLOCK_COLOURS: Mapping[str, Colour] = {
    "block_red": (1.0, 0.0, 0.0, 1.0),
    "block_blue": (0.0, 0.0, 1.0, 1.0),
    "block_pink": (1.0, 0.0, 1.0, 1.0),
}
_SMALL, _MIDDLE, _BIG = 0.05, 0.07, 0.1
_LEFT, _RIGHT = (-0.45, 0.2), (-0.225, 0.425)
_WALNUT, _OAK, _MAPLE, _PINE = (126, 76, 50), (160, 118, 78), (238, 196, 146), (170, 118, 70)

_VARIANTS: Mapping[str, _Variant] = {
    "A": _Variant(
        Layout(-0.35, -0.35, 0.375, 0.375, 0.165, 0.125, _LEFT, -0.125, 0.35),
        {"block_pink": _SMALL, "block_blue": _BIG, "block_red": _MIDDLE},
        (-0.2, 0.35),
        (-0.32, -0.16),
        (-0.05, 0.13),
        (_WALNUT, 0.16),
        (_WALNUT, 0.24),
    ),
    "B": _Variant(
        Layout(0.35, 0.35, -0.4, -0.4, 0.17, 0.225, _RIGHT, 0.11, 0.38),
        {"block_red": _SMALL, "block_blue": _BIG, "block_pink": _MIDDLE},
        (-0.35, 0.15),
        (-0.12, 0.06),
        (0.15, 0.33),
        (_MAPLE, 0.1),
        (_MAPLE, 0.16),
    ),
    "C": _Variant(
        Layout(-0.15, -0.15, -0.4, -0.4, 0.165, 0.125, _RIGHT, 0.075, 0.3),
        {"block_blue": _SMALL, "block_red": _BIG, "block_pink": _MIDDLE},
        (0.0, 0.35),
        (-0.12, 0.06),
        (0.15, 0.3),
        (_PINE, 0.14),
        (_WALNUT, 0.22),
    ),
    "D": _Variant(
        Layout(-0.15, -0.15, 0.375, 0.375, 0.165, 0.225, _LEFT, -0.125, 0.35),
        {"block_red": _MIDDLE, "block_blue": _SMALL, "block_pink": _BIG},
        (0.0, 0.35),
        (-0.32, -0.16),
        (-0.05, 0.13),
        (_OAK, 0.18),
        (_OAK, 0.26),
    ),
}

SCENES = tuple(_VARIANTS)


def load_scene(name: str) -> Scene:
    """Baton's own scene `A`, `B`, `C` or `D`. Raises SimulatorError for another name."""
    try:
        variant = _VARIANTS[name]
    except KeyError:
        raise SimulatorError(f"scene {name!r} is unknown; playtable has {', '.join(SCENES)}") from None
    scaling = 0.8
    low_y, high_y, height = 0.05, 0.12, 0.46
    return Scene(
        name=name,
        blocks={block: length * scaling for block, length in variant.blocks.items()},
        surfaces={
            "table": ((variant.table_x[0], -0.15, height), (variant.table_x[1], -0.03, height)),
            "slider_left": (
                (variant.slider_left_x[0], low_y, height),
                (variant.slider_left_x[1], high_y, height),
            ),
            "slider_right": (
                (variant.slider_right_x[0], low_y, height),
                (variant.slider_right_x[1], high_y, height),
            ),
        },
        fixed_links=("base_link", "switch_slots_link", "plank_link", "led_link", "light_link"),
        drawer_x=variant.layout.drawer_x * scaling,
        global_scaling=scaling,
        write_files=lambda folder: _write(folder, variant),
        boxes={
            "red_block": ("block_red", ("base_link",)),
            "blue_block": ("block_blue", ("base_link",)),
            "pink_block": ("block_pink", ("base_link",)),
            "drawer": ("table", ("drawer_link", "drawer_handle_link")),
            "drawer_handle": ("table", ("drawer_handle_link",)),
            "slider": ("table", ("slide_link", "slide_handle_link")),
            "slider_handle": ("table", ("slide_handle_link",)),
            "switch": ("table", ("switch_link",)),
            "button": ("table", ("button_link",)),
            "led": ("table", ("led_link",)),
            "lightbulb": ("table", ("light_link",)),
        },
        landmarks={
            "button": ("button_link", (0.0, 0.0, 0.03)),
            "switch": ("switch_link", (0.0, 0.01, 0.0675)),
            "slide_handle": ("slide_link", (0.175, 0.0, 0.0875)),
            "drawer_handle": ("drawer_link", (0.0, -0.3125, 0.05)),
            "drawer": ("drawer_link", (0.0, -0.0625, 0.025)),
        },
    )


def _write(folder: Path, variant: _Variant) -> SceneFiles:
    images: dict[str, np.ndarray] = {
        "frame": textures.wood(*variant.frame),
        "panel": textures.wood(*variant.panel),
        "tiles": textures.checker((242, 242, 242), (210, 210, 210)),
    }
    write_textures(folder, images)
    return SceneFiles(
        robot=write_body(folder, panda()),
        pedestal=write_body(folder, furniture.pedestal(0.24)),
        blocks={
            name: write_body(folder, furniture.block(name, length, _BLOCK_COLOURS[name]))
            for name, length in variant.blocks.items()
        },
        table=write_body(folder, furniture.table(variant.layout, "frame", "panel")),
        floor=write_body(folder, furniture.floor("tiles")),
    )
