"""Whether `rel_actions`, which policies are trained on, are what CALVIN says they are, over many frames at once.

Right ones lead from the pose in `robot_obs` to the one in `actions`, clipped and scaled (benchmark/actions.py). A few
frames that do not are odd and worth a note. Where many do not, and in the same way, training on them gives a policy
whose figures say nothing: that is a problem, told in one sentence with a count, the first frame and what is off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.observations import POSE
from calvin.action_conventions import NOT_WRAPPED, Motions, clipped, explain, steps

#: `rel_actions` follow from `robot_obs` and `actions` up to the rounding of float32.
SAME_ACTION = 1e-4

#: What half precision rounds away, of 1. Within it everything would seem to be explained by whatever differs from the
#: right values in other frames only.
_HALF_PRECISION = 2.0**-11

#: A deviation that is no rounding, also not of a file in half precision: 0.4 mm or a twentieth of a degree.
_WRONG = 0.02

#: Frames that contradict make a problem from this share of those that could, where all do so in the same known way;
#: without an explanation it takes more than half. Fewer than this number are odd frames.
_SHARE, _FEW = 0.05, 4


class ActionTable:
    """Vectors of frames as they are read. `add` in the order of frames."""

    def __init__(self, most: int) -> None:
        self._ids = np.empty(most, dtype=np.int64)
        self._rows = np.empty((most, 20))
        self._count = 0

    def add(self, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
        """What has no `actions` is passed over: its format has compared the others with the states."""
        if "actions" not in arrays:
            return
        row = self._rows[self._count]
        row[:6], row[6:13], row[13:] = arrays["robot_obs"][POSE], arrays["actions"], arrays["rel_actions"]
        self._ids[self._count] = frame
        self._count += 1

    @property
    def motions(self) -> Motions:
        rows = self._rows[: self._count]
        return Motions(self._ids[: self._count], rows[:, :6], rows[:, 6:13], rows[:, 13:])


@dataclass(frozen=True)
class ActionFindings:
    """One sentence each. systematic: what ruins a training; faults: single frames that break the format; notes."""

    systematic: tuple[str, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def look_at_actions(motions: Motions, folder: Path) -> ActionFindings:
    """What is wrong with the actions of these frames of a split's `folder`."""
    if not len(motions):
        return ActionFindings((), (), ())
    systematic, faults = _gripper_values(motions)
    units = _states(motions)
    if units:  # whatever else is off follows from them
        return _named(folder, [*units, *systematic], faults, [])
    deviation = np.abs(motions.relative - np.c_[clipped(motions.wanted), motions.action[:, 6]])
    deviation[~np.isin(motions.relative[:, 6], (-1.0, 1.0)), 6] = 0.0  # told already
    odd, notes = deviation.max(axis=1) > SAME_ACTION, []
    motion_odd = deviation[:, :6].max(axis=1) > SAME_ACTION
    if _leads_to_next_pose(motions, motion_odd):
        notes.append(
            f"{_told(motions, motion_odd)}, but to the next frame's robot_obs: Baton does not use actions"
        )
        deviation[:, :6] = 0.0
    contradictions = [*_contradictions(motions, deviation)]
    if contradictions:
        systematic.append(f"{_told(motions, odd)}: {'; '.join(contradictions)}.")
    elif not notes:
        faults += _reach(motions)
        rest = odd & (np.abs(motions.relative[:, :6]).max(axis=1) <= 1 + SAME_ACTION)
        if rest.any():
            notes.append(_told(motions, rest))
        systematic += _beside_the_motion(motions)
    return _named(folder, systematic, faults, notes)


def _named(folder: Path, systematic: list[str], faults: list[str], notes: list[str]) -> ActionFindings:
    return ActionFindings(
        tuple(f"{folder}: {sentence}" for sentence in systematic),
        tuple(f"{folder}: {sentence}" for sentence in faults),
        tuple(notes),
    )


def _contradictions(motions: Motions, deviation: np.ndarray) -> Iterator[str]:
    """By group what is wrong with it in many frames."""
    expected = clipped(motions.wanted)
    for name, group in (("positions", slice(0, 3)), ("angles", slice(3, 6))):
        size = np.maximum(np.abs(expected), np.abs(motions.relative[:, :6]))[:, group].max(axis=1)
        off = deviation[:, group].max(axis=1)
        odd, wrong = off > SAME_ACTION + _HALF_PRECISION * size, off > _WRONG
        if odd.sum() < min(_FEW, len(motions)):
            continue
        why = explain(motions, odd, angles=name == "angles")
        many = odd.sum() >= _SHARE * (size > SAME_ACTION).sum()
        if why is not None and (many or why == NOT_WRAPPED):  # which shows at the jump only
            yield f"{name} {why}"
        elif wrong.sum() >= min(_FEW, len(motions)) and wrong.sum() > (size > _WRONG).sum() / 2:
            yield f"no factor, shift or frame of reference explains the {name}"
    yield from _gripper(motions, deviation[:, 6] > SAME_ACTION)


def _gripper(motions: Motions, odd: np.ndarray) -> Iterator[str]:
    """Commands in rel_actions that are not those in actions."""
    relative, command = motions.relative[:, 6], motions.action[:, 6]
    odd = odd & np.isin(relative, (-1.0, 1.0)) & np.isin(command, (-1.0, 1.0))
    if odd.sum() < min(_FEW, len(motions)):
        return
    if odd.sum() > len(motions) / 2:
        yield "the gripper's commands are the opposite of those in actions"
        return
    for shift in (1, -1):
        rows = motions.shifted(shift)
        known = odd & (rows >= 0)
        changes = (rows >= 0) & (command[rows] != command)
        same = known.sum() >= _FEW and bool((relative[known] == command[rows[known]]).all())
        if same and known.sum() > changes.sum() / 2:
            yield f"the gripper's commands are those of {_shifted(shift)}"
            return
    if len(set(relative.tolist())) == 1 and odd.sum() >= _SHARE * len(motions):
        yield f"the gripper's command is always {relative[0]:+.0f}, and not in actions"


def _gripper_values(motions: Motions) -> tuple[list[str], list[str]]:
    values = motions.relative[:, 6]
    bad = ~np.isin(values, (-1.0, 1.0))
    if not bad.any():
        return [], []
    first, count = int(motions.ids[np.argmax(bad)]), int(bad.sum())
    if count == 1:
        return [], [f"the gripper's command in rel_actions is {values[bad][0]}, not 1 or -1 (frame {first})."]
    kinds = sorted(set(values.tolist()))
    told = (
        " and ".join(f"{kind:g}" for kind in kinds) if len(kinds) <= 2 else f"{kinds[0]:g} to {kinds[-1]:g}"
    )
    which = f"rel_actions of {_of(bad)} frames (first: {first})"
    sentence = f"the gripper's command in {which} is not 1 or -1: values are {told}."
    many = count >= min(_FEW, len(motions)) and count >= _SHARE * len(motions)
    return ([sentence], []) if many else ([], [sentence])


def _states(motions: Motions) -> list[str]:
    """robot_obs in other units, or empty."""
    found = []
    least = min(_FEW, len(motions))
    empty = np.asarray(~motions.pose.any(axis=1) & motions.action[:, :6].any(axis=1))
    if empty.sum() >= least and empty.sum() > len(motions) / 2:
        found.append(
            f"robot_obs of {_of(empty)} frames (first: {_first(motions, empty)}) has no pose: it is zero."
        )
    for name, values in (("robot_obs", motions.pose), ("actions", motions.action)):
        far = np.abs(values[:, :3]).max(axis=1) > 10
        turned = np.abs(values[:, 3:6]).max(axis=1) > 2 * math.pi
        for many, what, unit, most in (
            (far, "positions", "metres", np.abs(values[:, :3]).max()),
            (turned, "angles", "radians", np.abs(values[:, 3:6]).max()),
        ):
            if many.sum() >= least and many.sum() >= len(motions) / 2:
                told = f"{what} in {name} of {_of(many)} frames (first: {_first(motions, many)})"
                found.append(f"{told} reach {most:.3g}; they are in {unit}.")
    return found


def _reach(motions: Motions) -> list[str]:
    size = np.abs(motions.relative[:, :6]).max(axis=1)
    over = size > 1 + SAME_ACTION
    if not over.any():
        return []
    first = _first(motions, over)
    if over.sum() == 1:
        return [f"rel_actions reach {size.max():.3g}; they are scaled to -1..1 (frame {first})."]
    return [
        f"rel_actions of {_of(over)} frames (first: {first}) reach {size.max():.3g}; they are scaled to -1..1."
    ]


def _leads_to_next_pose(motions: Motions, odd: np.ndarray) -> bool:
    """Whether the frames that contradict `actions` lead exactly to the pose that was measured next."""
    following = motions.next_pose()
    known = odd & np.isfinite(following).all(axis=1)
    if known.sum() < min(_FEW, len(motions)):
        return False
    measured = clipped(steps(motions.pose, following))
    right = np.abs(motions.relative[:, :6] - measured).max(axis=1) <= SAME_ACTION
    moving = known & (np.abs(measured).max(axis=1) > _WRONG)
    return bool(moving.sum() >= 2 and right[known].mean() > 0.9)


def _beside_the_motion(motions: Motions) -> list[str]:
    """rel_actions that agree with `actions`, while both speak of another motion than the one measured."""
    measured = clipped(steps(motions.pose, motions.next_pose()))
    moving = np.nan_to_num(np.abs(measured)).max(axis=1) > _WRONG
    if moving.sum() < _FEW:
        return []
    still = moving & (np.abs(motions.relative[:, :6]).max(axis=1) <= SAME_ACTION)
    if still.sum() > moving.sum() / 2:
        return [
            f"rel_actions of {_of(still)} frames (first: {_first(motions, still)}) are zero, while robot_obs moves."
        ]
    right = moving & (np.abs(motions.relative[:, :6] - measured).max(axis=1) <= SAME_ACTION)
    for shift in (1, -1, 2, -2):
        rows = motions.shifted(shift)
        known = moving & (rows >= 0) & np.isfinite(measured[rows]).all(axis=1)
        same = known & (np.abs(motions.relative[:, :6] - measured[rows]).max(axis=1) <= SAME_ACTION)
        if same.sum() >= _FEW and same.sum() > 0.9 * known.sum() and right.sum() < same.sum() / 2:
            told = f"rel_actions of {_of(same)} frames (first: {_first(motions, same)}) are those of"
            return [f"{told} {_shifted(shift)}, as robot_obs moves."]
    return []


def _shifted(frames: int) -> str:
    plural = "s" if abs(frames) > 1 else ""
    return f"{abs(frames)} frame{plural} {'later' if frames > 0 else 'earlier'}"


def _told(motions: Motions, odd: np.ndarray) -> str:
    count = f"{_of(odd)} frames (first: {_first(motions, odd)})"
    return f"rel_actions of {count} are not those that lead from robot_obs to actions"


def _of(rows: np.ndarray) -> str:
    return f"{rows.sum()} of {len(rows)}"


def _first(motions: Motions, rows: np.ndarray) -> int:
    return int(motions.ids[np.argmax(rows)])
