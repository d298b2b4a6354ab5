"""The play table: desk, drawer, cabinet with sliding door, switch, button, bulb and LED.

Every length is in design metres, which the scene's `global_scaling` (0.8) turns into world metres, as
CALVIN does (calvin_env/conf/scene). Joint origins and extents are CALVIN's, so that its saved states are
valid here; the shapes are Baton's own boxes, prisms and cylinders.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.playtable.scene import SLOPE
from simulators.playtable.solids import ALONG_X, Cylinder, Pose, Prism, Solid, Sphere, between
from simulators.playtable.urdf import Body, Contact, Joint, Link, Material

BLACK = Material("black", (0.02, 0.02, 0.02, 1.0))
GREY = Material("grey", (0.26, 0.26, 0.27, 1.0))
SLOT = Material("slot", (0.12, 0.09, 0.07, 1.0))
WHITE = Material("white")

DESK_HEIGHT = 0.55
#: A little higher than the desk: the collision margin of CALVIN's shelf makes blocks rest at z = 0.461 m on it,
#: and there its saved states have them.
SHELF_THICKNESS = 0.02625
#: Travel of joints that all four tables have in common.
DRAWER_RANGE, BUTTON_RANGE, SWITCH_RANGE = 0.275, 0.025, 0.11

_HALF_WIDTH = 0.55
_BACK = 0.225
_TOP = 0.81


@dataclass(frozen=True)
class Layout:
    """Where a table variant has its parts: x in design metres, `slide_range` is the door's travel."""

    button_x: float
    led_x: float
    switch_x: float
    bulb_x: float
    bulb_y: float
    drawer_x: float
    cabinet_x: tuple[float, float]
    slide_x: float
    slide_range: float


def table(layout: Layout, frame_texture: str, door_texture: str) -> Body:
    """Build the table. The textures are names of PNG files that the caller writes beside the URDF."""
    frame = Material("frame", texture=frame_texture)
    panel = Material("panel", texture=door_texture)
    links = (
        Link("base_link", ((frame, _frame(layout)),)),
        Link("switch_slots_link", ((SLOT, _switch_slots(layout)),)),
        Link("button_link", ((BLACK, (Cylinder(0.04, 0.03, Pose((0.0, 0.0, 0.015))),)),), mass=0.154),
        Link("switch_link", ((GREY, _switch()),), mass=0.239),
        Link("slide_link", ((panel, (between((0, -0.1375, 0), (0.35, 0.1375, 0.025)),)),), mass=1.3),
        Link("slide_handle_link", ((GREY, _slide_handle()),), mass=0.24),
        Link("drawer_link", ((panel, _drawer()),), mass=3.9),
        Link("drawer_handle_link", ((GREY, _drawer_handle()),), mass=0.33),
        Link("led_link", ((WHITE, (between((-0.1, -0.025, 0.0), (0.1, 0.025, 0.02)),)),)),
        Link("light_link", ((WHITE, (Sphere(0.035, Pose((0.0, 0.035, 0.028))),)),)),
        Link("plank_link", ((frame, (between((-0.325, -0.0875, 0.0), (0.325, 0.0875, SHELF_THICKNESS)),)),)),
    )
    on_slope = (SLOPE, 0.0, 0.0)
    joints = (
        _joint(
            "base__button",
            "button_link",
            (layout.button_x, -0.15, 0.575),
            axis=(0, 0, -1),
            upper=BUTTON_RANGE,
        ),
        _joint(
            "base__switch",
            "switch_link",
            (layout.switch_x, 0.07616, 0.61861),
            on_slope,
            (0, 1, 0),
            upper=SWITCH_RANGE,
        ),
        _joint(
            "base__slide",
            "slide_link",
            (layout.slide_x, 0.09375, 0.66908),
            on_slope,
            (-1, 0, 0),
            upper=layout.slide_range,
        ),
        Joint("slide__handle", "fixed", "slide_link", "slide_handle_link"),
        _joint(
            "base__drawer", "drawer_link", (layout.drawer_x, 0.0, 0.4), axis=(0, -1, 0), upper=DRAWER_RANGE
        ),
        Joint("drawer__handle", "fixed", "drawer_link", "drawer_handle_link"),
        _joint("base__led", "led_link", (layout.led_x, 0.2, _TOP)),
        _joint("base__light", "light_link", (layout.bulb_x, layout.bulb_y, _TOP)),
        _joint("base__switch_slots", "switch_slots_link", (0.0, 0.0, 0.0)),
        _joint("base__plank", "plank_link", (sum(layout.cabinet_x) / 2, 0.1125, 0.525)),
    )
    return Body("table", links, joints)


def block(name: str, length: float, rgba: tuple[float, float, float, float]) -> Body:
    """A block of `length` x 0.05 x 0.05 design metres, 1 kg."""
    half = length / 2
    solid = between((-half, -0.025, -0.025), (half, 0.025, 0.025))
    contact = Contact(lateral_friction=0.7, spinning_friction=0.001)
    return Body(name, (Link("base_link", ((Material(name, rgba), (solid,)),), mass=1.0, contact=contact),))


def floor(texture: str) -> Body:
    """Six by six metres, its surface at z = 0."""
    solid = between((-3.0, -3.0, -0.1), (3.0, 3.0, 0.0))
    return Body(
        "floor", (Link("base_link", ((Material("floor", texture=texture, texture_metres=1.0), (solid,)),)),)
    )


def _joint(
    name: str,
    child: str,
    xyz: tuple[float, float, float],
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0),
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    upper: float | None = None,
) -> Joint:
    kind = "fixed" if upper is None else "prismatic"
    return Joint(name, kind, "base_link", child, Pose(xyz, rpy), axis, 0.0, upper or 0.0)


def _frame(layout: Layout) -> tuple[Solid, ...]:
    left, right = layout.cabinet_x
    drawer_left, drawer_right = layout.drawer_x - 0.25, layout.drawer_x + 0.25
    legs = tuple(
        between((x, y, 0.0), (x + 0.05, y + 0.04, 0.5)) for x in (-_HALF_WIDTH, 0.5) for y in (-_BACK, 0.185)
    )
    return (
        between((-_HALF_WIDTH, -_BACK, 0.5), (_HALF_WIDTH, 0.025, DESK_HEIGHT)),
        between((-_HALF_WIDTH, 0.025, 0.5), (_HALF_WIDTH, _BACK, 0.525)),
        between((-0.525, -0.2, 0.375), (0.525, 0.2, 0.4)),
        between((-0.525, 0.075, 0.4), (0.525, 0.2, 0.5)),
        between((-0.525, -0.2, 0.4), (drawer_left, 0.075, 0.5)),
        between((drawer_right, -0.2, 0.4), (0.525, 0.075, 0.5)),
        _cabinet_wall(-_HALF_WIDTH, left),
        _cabinet_wall(right, _HALF_WIDTH),
        between((left, 0.2, 0.525), (right, _BACK, 0.785)),
        _across(((0.161, 0.785), (_BACK, 0.785), (_BACK, _TOP), (0.175, _TOP)), left, right),
        Cylinder(0.05, 0.025, Pose((layout.button_x, -0.15, 0.5625))),
        *legs,
    )


def _cabinet_wall(left: float, right: float) -> Prism:
    return _across(
        ((0.025, 0.525), (_BACK, 0.525), (_BACK, _TOP), (0.175, _TOP), (0.025, DESK_HEIGHT)), left, right
    )


def _across(profile: tuple[tuple[float, float], ...], left: float, right: float) -> Prism:
    """A (y, z) profile between two x."""
    return Prism(profile, right - left, Pose(((left + right) / 2, 0.0, 0.0), ALONG_X))


def _switch_slots(layout: Layout) -> tuple[Solid, ...]:
    # Two dark lines along which the switch's legs travel.
    return tuple(_slot(layout.switch_x + side * 0.0625, 0.1025, 0.684) for side in (-1, 1))


def _slot(x: float, y: float, z: float) -> Prism:
    corners = ((-0.012, -0.075), (0.012, -0.075), (0.012, 0.075), (-0.012, 0.075))
    return Prism(corners, 0.004, Pose((x, y, z), (SLOPE, 0.0, 0.0)), collides=False)


def _switch() -> tuple[Solid, ...]:
    return (
        between((-0.075, -0.01, 0.055), (0.075, 0.03, 0.08)),
        between((-0.075, -0.01, 0.0), (-0.05, 0.03, 0.055)),
        between((0.05, -0.01, 0.0), (0.075, 0.03, 0.055)),
    )


def _slide_handle() -> tuple[Solid, ...]:
    return (
        between((0.15, -0.1, 0.075), (0.2, 0.1, 0.1)),
        between((0.15, -0.1, 0.025), (0.2, -0.075, 0.075)),
        between((0.15, 0.075, 0.025), (0.2, 0.1, 0.075)),
    )


def _drawer() -> tuple[Solid, ...]:
    return (
        between((-0.25, -0.2, 0.0), (0.25, 0.075, 0.025)),
        between((-0.25, -0.2, 0.025), (-0.225, 0.075, 0.1)),
        between((0.225, -0.2, 0.025), (0.25, 0.075, 0.1)),
        between((-0.225, 0.05, 0.025), (0.225, 0.075, 0.1)),
        between((-0.275, -0.225, -0.025), (0.275, -0.2, 0.1)),
    )


def _drawer_handle() -> tuple[Solid, ...]:
    return (
        between((-0.15, -0.325, 0.025), (0.15, -0.3, 0.075)),
        between((-0.15, -0.3, 0.025), (-0.125, -0.225, 0.075)),
        between((0.125, -0.3, 0.025), (0.15, -0.225, 0.075)),
    )
