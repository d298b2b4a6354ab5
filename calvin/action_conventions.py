"""In which convention recorded actions are, where it is not CALVIN's: what turns right ones into the given ones.

Each explanation predicts the three numbers of one group, positions or angles, for every frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from benchmark.actions import MAX_STEP_M, MAX_STEP_RAD, wrapped_angle

#: An explanation holds in this share of the frames that contradict, up to this part of the values and the rounding of
#: poses in float32.
EXPLAINED_SHARE = 0.9
_TOLERANCE, _ROUNDING = 1e-3, 3e-5

#: Frames that a fitted explanation needs at least, and the most that any is tried on.
_FIT_FRAMES, _TRIED_FRAMES = 10, 4000

NOT_WRAPPED = "were taken across the jump at half a turn, not wrapped"

#: Frames by which labels may have been shifted.
_SHIFTS = (1, -1, 2, -2, 3, -3)

_POSITIONS, _ANGLES = slice(0, 3), slice(3, 6)


@dataclass(frozen=True)
class Motions:
    """Frames in the order of their ids. ids (n,); pose (n, 6): tcp in metres and radians; action (n, 7): absolute pose
    and gripper; relative (n, 7).
    """

    ids: np.ndarray
    pose: np.ndarray
    action: np.ndarray
    relative: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def wanted(self) -> np.ndarray:
        """What leads from pose to action in shares of CALVIN's largest step, (n, 6), not clipped."""
        return steps(self.pose, self.action)

    def shifted(self, frames: int) -> np.ndarray:
        """For each frame the row of the one `frames` later, (n,); -1 where it is not among them."""
        places = np.searchsorted(self.ids, self.ids + frames)
        places[places == len(self.ids)] = 0
        return np.where(self.ids[places] == self.ids + frames, places, -1)

    def next_pose(self) -> np.ndarray:
        """(n, 6); NaN where the next frame is not among them."""
        rows = self.shifted(1)
        return np.where((rows >= 0)[:, None], self.pose[rows], np.nan)


def steps(pose: np.ndarray, following: np.ndarray) -> np.ndarray:
    """From pose to pose in shares of CALVIN's largest step, (n, 6), not clipped."""
    turn = wrapped_angle(following[:, 3:6] - pose[:, 3:6])
    return np.concatenate([(following[:, :3] - pose[:, :3]) / MAX_STEP_M, turn / MAX_STEP_RAD], axis=1)


def clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -1.0, 1.0)


def explain(motions: Motions, odd: np.ndarray, angles: bool) -> str | None:
    """What is wrong with the positions (or `angles`) of `relative` in the rows `odd` (n,), as the end of a sentence
    that begins with `positions` or `angles`; None where nothing known explains it.
    """
    group = _ANGLES if angles else _POSITIONS
    rows = np.flatnonzero(odd)
    rows = rows[:: len(rows) // _TRIED_FRAMES + 1]
    given = motions.relative[rows, group]
    for says, predict in (*_simple(motions, group), *_frames_of_reference(motions, group)):
        if _holds(given, predict()[rows]):
            return says
    wanted = motions.wanted[:, group]
    return _fitted(given, wanted[rows])


def _holds(given: np.ndarray, predicted: np.ndarray) -> bool:
    """Rows that have no prediction do not count, but one in two must have one."""
    known = np.isfinite(predicted).all(axis=1)
    if not known.any() or known.mean() < 0.3:
        return False
    given, predicted = given[known], predicted[known]
    size = np.maximum(np.abs(given), np.abs(predicted)).max(axis=1)
    allowed = _TOLERANCE * size + _ROUNDING
    return bool((np.abs(given - predicted).max(axis=1) <= allowed).mean() >= EXPLAINED_SHARE)


_Explanation = tuple[str, Callable[[], np.ndarray]]


def _simple(motions: Motions, group: slice) -> Iterator[_Explanation]:
    wanted = motions.wanted[:, group]
    angles = group == _ANGLES
    yield "are zero", lambda: np.zeros_like(wanted)
    units = (
        ((MAX_STEP_RAD, "radians, where 1 stands for 0.05"), (math.degrees(MAX_STEP_RAD), "degrees"))
        if angles
        else ((MAX_STEP_M, "metres, where 1 stands for 0.02"), (2.0, "centimetres"), (20.0, "millimetres"))
    )
    for factor, unit in units:
        for predicted in _scaled(wanted, factor):
            yield f"are off by a factor of {_number(factor)} ({unit})", lambda p=predicted: p  # type: ignore[misc]
    for predicted in _scaled(wanted, -1.0):
        yield "have the opposite sign", lambda p=predicted: p  # type: ignore[misc]
    if angles:
        for predicted in _scaled(wanted, 180 / math.pi):
            yield "are off by a factor of 57.3 (degrees taken for radians)", lambda p=predicted: p  # type: ignore[misc]
        unwrapped = (motions.action[:, 3:6] - motions.pose[:, 3:6]) / MAX_STEP_RAD
        yield NOT_WRAPPED, lambda: clipped(unwrapped)
    yield "are not clipped to -1..1", lambda: wanted
    yield "are the absolute pose of actions", lambda: motions.action[:, group]
    yield "are the absolute pose of robot_obs", lambda: motions.pose[:, group]
    for shift in _SHIFTS:
        rows = motions.shifted(shift)
        when = f"{abs(shift)} frame{'s' if abs(shift) > 1 else ''} {'later' if shift > 0 else 'earlier'}"
        yield (
            f"are those of {when}",
            lambda r=rows: np.where((r >= 0)[:, None], clipped(wanted[r]), np.nan),  # type: ignore[misc]
        )


def _frames_of_reference(motions: Motions, group: slice) -> Iterator[_Explanation]:
    from scipy.spatial.transform import Rotation  # on use: it takes a fifth of what planning takes

    wanted = motions.wanted[:, group]
    names = ("x", "y", "z")
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            if order == (0, 1, 2) and signs in ((1.0, 1.0, 1.0), (-1.0, -1.0, -1.0)):
                continue
            told = ", ".join(f"{'-' if sign < 0 else ''}{names[axis]}" for axis, sign in zip(order, signs))
            yield (
                f"have other axes: in place of x, y, z they hold {told}",
                lambda o=order, s=signs: clipped(wanted[:, list(o)] * np.array(s)),  # type: ignore[misc]
            )
    now = Rotation.from_euler("xyz", motions.pose[:, 3:6])
    tool = "are in the tool's frame of reference, not the world's"
    if group == _POSITIONS:
        yield tool, lambda: clipped(now.inv().apply(wanted))
        return
    following = Rotation.from_euler("xyz", motions.action[:, 3:6])
    for says, turn in (
        (tool, now.inv() * following),
        ("are those of the turn between the poses, not differences of Euler angles", following * now.inv()),
    ):
        yield says, lambda t=turn: clipped(t.as_euler("xyz") / MAX_STEP_RAD)  # type: ignore[misc]
        yield says, lambda t=turn: clipped(t.as_rotvec() / MAX_STEP_RAD)  # type: ignore[misc]


def _fitted(given: np.ndarray, wanted: np.ndarray) -> str | None:
    """A factor, a turn of the axes, or a factor and an offset for each axis, found by least squares."""
    inside = (np.abs(given) < 0.999) & (np.abs(wanted) < 0.999)
    telling = inside & (np.abs(wanted) > 1e-3)
    if telling.any():
        factor = float(np.median(given[telling] / wanted[telling]))
        if any(_holds(given, predicted) for predicted in _scaled(wanted, factor)):
            return f"are off by a factor of {_number(factor)}"
    whole = inside.all(axis=1)
    if whole.sum() < _FIT_FRAMES:
        return None
    matrix, _, rank, _ = np.linalg.lstsq(wanted[whole], given[whole], rcond=None)
    if rank == 3 and _holds(given, clipped(wanted @ matrix)):
        size = np.cbrt(abs(np.linalg.det(matrix)))
        if size > 1e-6 and np.allclose(matrix @ matrix.T / size**2, np.eye(3), atol=0.02):
            degrees = math.degrees(math.acos(np.clip((np.trace(matrix / size) - 1) / 2, -1, 1)))
            scaled = "" if abs(size - 1) < 0.005 else f" and off by a factor of {_number(size)}"
            return f"are in another frame of reference, turned by {degrees:.0f} degrees{scaled}"
        return "are another frame of reference's, with axes that are not at right angles"
    offsets, factors, predicted = [], [], np.empty_like(given)
    for axis in range(3):
        rows = inside[:, axis]
        design = np.stack([wanted[rows, axis], np.ones(rows.sum())], axis=1)
        (factor, offset), *_ = np.linalg.lstsq(design, given[rows, axis], rcond=None)
        predicted[:, axis] = clipped(wanted[:, axis]) * factor + offset
        factors.append(_number(factor))
        offsets.append(_number(offset))
    if _holds(given, predicted):
        return f"are normalised: off by factors of {', '.join(factors)} and shifted by {', '.join(offsets)} (x, y, z)"
    return None


def _scaled(wanted: np.ndarray, factor: float) -> tuple[np.ndarray, ...]:
    """Clipped before the factor, after it, and never."""
    return clipped(wanted) * factor, clipped(wanted * factor), wanted * factor


def _number(value: float) -> str:
    """Small factors as what they divide by: `1/50`."""
    if 0 < abs(value) < 0.5 and abs(1 / value - round(1 / value)) < 0.01 * abs(1 / value):
        return f"{'-' if value < 0 else ''}1/{abs(round(1 / value))}"
    return f"{value:.3g}"
