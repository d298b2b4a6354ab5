"""Baton's own four tables: shapes of our own, dimensions, block order and surfaces of CALVIN's A to D.

`calvin_env/conf/scene/calvin_scene_{A,B,C,D}.yaml` is where the block order (it is the order of `scene_obs`),
the block sizes and the surfaces come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.tasks import SCENES
from errors import SimulatorError
from simulators.playtable import furniture, textures
from simulators.playtable.furniture import Layout
from simulators.playtable.panda import panda
from simulators.playtable.scene import DESIGN_SCALE, Colour, Ranges, Scene, SceneFiles, Shown, table_landmarks
from simulators.playtable.urdf import write_body, write_textures


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


def own_scene(name: str) -> Scene:
    """Baton's scene `A`, `B`, `C` or `D`. Raises SimulatorError for another name."""
    try:
        variant = _VARIANTS[name]
    except KeyError:
        raise SimulatorError(f"scene {name!r} is unknown; playtable has {', '.join(SCENES)}") from None
    layout = variant.layout
    low_y, high_y, shelf_height = 0.05, 0.12, 0.461
    spans = {
        "table": (variant.table_x, -0.15, -0.03, 0.46),
        "slider_left": (variant.slider_left_x, low_y, high_y, shelf_height),
        "slider_right": (variant.slider_right_x, low_y, high_y, shelf_height),
    }
    return Scene(
        name=name,
        origin="baton",
        blocks={block: length * DESIGN_SCALE for block, length in variant.blocks.items()},
        surfaces={surface: ((x[0], low, z), (x[1], high, z)) for surface, (x, low, high, z) in spans.items()},
        write_files=lambda folder: _write(folder, variant),
        boxes={
            "red_block": Shown("block_red", ("base_link",)),
            "blue_block": Shown("block_blue", ("base_link",)),
            "pink_block": Shown("block_pink", ("base_link",)),
            "drawer": Shown("table", ("drawer_link", "drawer_handle_link")),
            "drawer_handle": Shown("table", ("drawer_handle_link",)),
            "slider": Shown("table", ("slide_link", "slide_handle_link")),
            "slider_handle": Shown("table", ("slide_handle_link",)),
            "switch": Shown("table", ("switch_link",)),
            "button": Shown("table", ("button_link",)),
            "led": Shown("table", ("led_link",)),
            "lightbulb": Shown("table", ("light_link",)),
        },
        landmarks=table_landmarks(layout.button_x, layout.switch_x, layout.slide_x, layout.drawer_x),
        fixed_links=("base_link", "switch_slots_link", "plank_link"),
        drawer_x=layout.drawer_x * DESIGN_SCALE,
        ranges=Ranges(
            slide=layout.slide_range * DESIGN_SCALE,
            drawer=furniture.DRAWER_RANGE * DESIGN_SCALE,
            switch=furniture.SWITCH_RANGE * DESIGN_SCALE,
        ),
        deterministic_pairs=True,
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
        blocks={
            name: write_body(folder, furniture.block(name, length, _BLOCK_COLOURS[name]))
            for name, length in variant.blocks.items()
        },
        table=write_body(folder, furniture.table(variant.layout, "frame", "panel")),
        floor=write_body(folder, furniture.floor("tiles")),
    )
