"""A Franka Emika Panda with parallel fingers: the real arm's kinematics, simple shapes of our own.

Joint origins and limits: Franka's published Denavit-Hartenberg table and limits. Hand camera, long
fingers and tool centre point: where calvin_env/data/franka_panda/panda_longer_finger.urdf puts them.
"""

from __future__ import annotations

import math

from simulators.playtable.solids import ALONG_X, Box, Cylinder, Pose, Prism, Solid, Sphere, Vector, between
from simulators.playtable.urdf import Body, Contact, Joint, Link, Material

SHELL = Material("shell", (0.93, 0.93, 0.93, 1.0))
DARK = Material("dark", (0.33, 0.34, 0.36, 1.0))
FINGER = Material("finger", (0.8, 0.8, 0.8, 1.0))

_QUARTER = math.pi / 2
_ALONG_Y: Vector = (_QUARTER, 0.0, 0.0)

#: (origin xyz in m, roll in rad, lower limit, upper limit in rad) of the seven arm joints.
_ARM_JOINTS: tuple[tuple[Vector, float, float, float], ...] = (
    ((0.0, 0.0, 0.333), 0.0, -2.9671, 2.9671),
    ((0.0, 0.0, 0.0), -_QUARTER, -1.8326, 1.8326),
    ((0.0, -0.316, 0.0), _QUARTER, -2.9671, 2.9671),
    ((0.0825, 0.0, 0.0), _QUARTER, -3.1416, 0.0),
    ((-0.0825, 0.384, 0.0), -_QUARTER, -2.9671, 2.9671),
    ((0.0, 0.0, 0.0), _QUARTER, -0.0873, 3.8223),
    ((0.088, 0.0, 0.0), _QUARTER, -2.9671, 2.9671),
)

_PAD = Contact(
    lateral_friction=1.0, spinning_friction=0.1, stiffness=30000.0, damping=1000.0, friction_anchor=True
)


def panda() -> Body:
    """The arm with its base at the origin, the hand camera, both fingers and the link `tcp`."""
    arm = [Link(f"panda_link{i}", parts, mass) for i, (mass, parts) in enumerate(_arm_parts())]
    links = (
        *arm,
        Link("panda_hand", ((SHELL, _hand()),), 0.81),
        Link("panda_leftfinger", ((FINGER, _finger(1.0)),), 0.1, _PAD),
        Link("panda_rightfinger", ((FINGER, _finger(-1.0)),), 0.1, _PAD),
        Link("gripper_cam", ((SHELL, (Box((0.08, 0.025, 0.01), collides=False),)),)),
        Link("tcp"),
    )
    joints = [
        Joint(
            f"panda_joint{i + 1}",
            "revolute",
            f"panda_link{i}",
            f"panda_link{i + 1}",
            Pose(xyz, (roll, 0.0, 0.0)),
            (0.0, 0.0, 1.0),
            lower,
            upper,
        )
        for i, (xyz, roll, lower, upper) in enumerate(_ARM_JOINTS)
    ]
    flange = Pose((0.0, 0.0, 0.107), (0.0, 0.0, -math.pi / 4))
    finger_base = Pose((0.0, 0.0, 0.0584))
    joints += [
        Joint("panda_hand_joint", "fixed", "panda_link7", "panda_hand", flange),
        Joint(
            "panda_finger_joint1",
            "prismatic",
            "panda_hand",
            "panda_leftfinger",
            finger_base,
            (0, 1, 0),
            0.0,
            0.04,
        ),
        Joint(
            "panda_finger_joint2",
            "prismatic",
            "panda_hand",
            "panda_rightfinger",
            finger_base,
            (0, -1, 0),
            0.0,
            0.04,
        ),
        Joint(
            "camera_joint", "fixed", "panda_hand", "gripper_cam", Pose((-0.1, 0.0, 0.0), (1.3, 0.0, -1.57))
        ),
        Joint("tcp_joint", "fixed", "panda_hand", "tcp", Pose((0.0, 0.0, 0.14))),
    ]
    return Body("robot", links, tuple(joints))


def _arm_parts() -> tuple[tuple[float, tuple[tuple[Material, tuple[Solid, ...]], ...]], ...]:
    """Mass in kg and shapes of link 0 to 7."""
    return (
        (
            2.9,
            (
                (
                    SHELL,
                    (Cylinder(0.095, 0.14, Pose((0, 0, 0.07))), between((-0.15, -0.06, 0), (0, 0.06, 0.1))),
                ),
            ),
        ),
        (
            2.7,
            (
                (SHELL, (_upright(0.055, -0.19, 0.0), _lying(0.055, -0.125, 0.055))),
                (DARK, (_lying(0.04, -0.13, -0.125),)),
            ),
        ),
        (
            2.73,
            (
                (SHELL, (_upright(0.055, -0.055, 0.125), _lying(0.055, -0.19, 0.0))),
                (DARK, (_upright(0.04, 0.125, 0.13),)),
            ),
        ),
        (
            2.04,
            (
                (SHELL, (_upright(0.055, -0.12, 0.0), _lying(0.055, -0.055, 0.105, 0.0825), Sphere(0.055))),
                (DARK, (_lying(0.04, 0.105, 0.11, 0.0825),)),
            ),
        ),
        (
            2.08,
            (
                (
                    SHELL,
                    (
                        _upright(0.055, -0.055, 0.105),
                        _lying(0.055, 0.0, 0.12, -0.0825),
                        Box((0.09, 0.1, 0.1), Pose((-0.04, 0.03, 0.0))),
                    ),
                ),
                (DARK, (_upright(0.04, 0.105, 0.11),)),
            ),
        ),
        (
            3.0,
            (
                (SHELL, (_upright(0.055, -0.255, -0.12), _spar(), _lying(0.05, 0.0, 0.125))),
                (DARK, (_lying(0.036, 0.125, 0.13),)),
            ),
        ),
        (
            1.3,
            (
                (
                    SHELL,
                    (
                        _upright(0.048, -0.042, 0.05),
                        between((0.0, -0.045, -0.04), (0.088, 0.045, 0.04)),
                        _lying(0.044, -0.05, 0.075, 0.088),
                    ),
                ),
                (DARK, (_lying(0.034, 0.075, 0.082, 0.088), _lying(0.034, -0.056, -0.05, 0.088))),
            ),
        ),
        (0.2, ((SHELL, (_upright(0.043, 0.052, 0.1),)), (DARK, (_upright(0.035, 0.1, 0.107),)))),
    )


def _upright(radius: float, low: float, high: float) -> Cylinder:
    """Along z."""
    return Cylinder(radius, high - low, Pose((0.0, 0.0, (low + high) / 2)))


def _lying(radius: float, low: float, high: float, x: float = 0.0) -> Cylinder:
    """Along y."""
    return Cylinder(radius, high - low, Pose((x, (low + high) / 2, 0.0), _ALONG_Y))


def _spar() -> Prism:
    """The slender part of the forearm, between elbow cylinder and wrist."""
    profile = ((0.0, -0.16), (0.055, -0.2), (0.12, -0.03), (0.12, 0.03), (0.02, 0.03))
    return Prism(profile, 0.07, Pose((0.0, 0.0, 0.0), ALONG_X))


def _hand() -> tuple[Solid, ...]:
    palm = ((-0.1, 0.0), (-0.07, -0.026), (0.07, -0.026), (0.1, 0.0), (0.1, 0.035), (-0.1, 0.035))
    jaw = ((-0.1, 0.035), (0.1, 0.035), (0.1, 0.045), (0.08, 0.066), (-0.08, 0.066), (-0.1, 0.045))
    return Prism(palm, 0.062, Pose(rpy=ALONG_X)), Prism(jaw, 0.04, Pose(rpy=ALONG_X))


def _finger(side: float) -> tuple[Solid, ...]:
    """Two tapering segments and a rubber pad; `side` is +1 for the finger at positive y."""
    shaft = ((0.006, 0.0), (0.027, 0.0), (0.0216, 0.035), (0.0127, 0.035))
    tip = ((0.0127, 0.035), (0.0216, 0.035), (0.0075, 0.0965), (0.004, 0.0965), (0.004, 0.065))
    turn = Pose(rpy=ALONG_X) if side > 0 else Pose(rpy=(_QUARTER, 0.0, -_QUARTER))
    pad = sorted((side * 0.001, side * 0.0045))
    return (
        Prism(shaft, 0.02, turn),
        Prism(tip, 0.0175, turn),
        between((-0.009, pad[0], 0.071), (0.009, pad[1], 0.096)),
    )
