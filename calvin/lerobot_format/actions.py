"""Whether recorded actions are relative, as policies are trained on, or absolute poses: by what the robot then did.

A relative action of CALVIN leads from a frame's pose to the next frame's, clipped to 0.02 m and 0.05 rad and scaled to
-1..1; an absolute one is that next pose. Both can be seen over the whole set, whatever a column is called: at what
moves, whether it moves as far as it was told to, in the same frame; and at what is still, where a relative action is
zero and an absolute one is where the robot is. What is neither is an error: training on it gives a policy whose
figures say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.actions import wrapped_angle
from benchmark.observations import ACTION_GRIPPER, GRIPPER_COMMAND, GRIPPER_WIDTH, POSE
from calvin.action_check import SAME_ACTION, look_at_actions
from calvin.action_conventions import Motions, clipped, steps
from calvin.lerobot_format.episodes import Entry
from errors import DatasetError, WronglySaid
from settings.shown import cut

RELATIVE, ABSOLUTE = "relative", "absolute"

#: Of CALVIN's largest step: 0.4 mm or a twentieth of a degree. Rounding to float16 is within it.
_SAME = 0.02
#: Of the frames that tell, how many have to. The others are noted.
_SHARE = 0.95
#: Of those that move, how many an explanation has to fit: a shift is wrong at one end of each episode.
_EXPLAINED = 0.8
#: As far as an absolute action lies from the pose it begins at, in largest steps: the robot is not faster.
_NEAR = 10.0
_SHIFTS = (1, -1, 2, -2)
_SHOWN_FRAMES = 20_000


@dataclass(frozen=True)
class Judged:
    """What a column of actions is. kind: RELATIVE, ABSOLUTE, or None where it is neither; reason: a part of a
    sentence."""

    column: str
    kind: str | None
    reason: str


@dataclass(frozen=True)
class Decision:
    """Which columns are `rel_actions` and `actions`. Without the first it is made of the second. notes: one sentence
    each."""

    relative: str | None
    absolute: str | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Track:
    """The robot's poses in the frames of a set, and which of them another follows in the same episode."""

    def __init__(self, states: np.ndarray, entries: Sequence[Entry]) -> None:
        """states: (N, 15), of `entries` one after the other."""
        self.states = states
        self.pose = states[:, POSE]
        self._episode = np.repeat(np.arange(len(entries)), [entry.length for entry in entries])
        self.entries = entries

    def rows(self, shift: int) -> np.ndarray:
        """For each frame the row `shift` later, (N,); -1 where the episode has none."""
        rows: np.ndarray = np.arange(len(self.pose)) + shift
        inside: np.ndarray = (rows >= 0) & (rows < len(self.pose))
        rows[~inside] = 0
        return np.where(inside & (self._episode[rows] == self._episode), rows, -1)

    def wanted(self, shift: int = 0) -> np.ndarray:
        """What leads to the pose one frame after the one `shift` later, from the one before it; (N, 6), NaN unknown."""
        now, following = self.rows(shift), self.rows(shift + 1)
        known = (now >= 0) & (following >= 0)
        found = np.full((len(self.pose), 6), np.nan)
        found[known] = steps(self.pose[now[known]], self.pose[following[known]])
        return found

    def frame(self, row: int) -> str:
        entry = self.entries[int(self._episode[row])]
        return f"frame {row - entry.start} of episode {entry.index}"


def check_states(states: np.ndarray, entries: Sequence[Entry], place: str) -> None:
    """Raises DatasetError, beginning with `place`, where 15 numbers are not those of CALVIN's robot in its units."""
    track = Track(states, entries)
    position, angle = np.abs(states[:, :3]).max(axis=1), np.abs(states[:, 3:6]).max(axis=1)
    tests = (
        (position > 10, f"its positions reach {position.max():.3g}; robot_obs has metres"),
        (angle > 2 * math.pi + 1e-3, f"its angles reach {angle.max():.3g}; robot_obs has radians"),
        (
            ~np.isin(states[:, GRIPPER_COMMAND], (-1.0, 1.0)),
            "its last number is not 1 or -1, what the gripper was told",
        ),
        (
            (states[:, GRIPPER_WIDTH] < -0.02) | (states[:, GRIPPER_WIDTH] > 0.2),
            "its seventh number is no width of the gripper in metres",
        ),
        (~states[:, POSE].any(axis=1), "its pose is zero"),
    )
    for bad, what in tests:
        if bad.sum() > (1 - _SHARE) * len(states):
            raise DatasetError(
                f"{place} is not CALVIN's robot_obs: {what} ({bad.sum()} of {len(states)} frames, first: "
                f"{track.frame(int(np.argmax(bad)))})."
            )


def decide(
    track: Track, candidates: Mapping[str, np.ndarray], said: Mapping[str, str], file: Path
) -> Decision:
    """Which of the columns `candidates` (each (N, 7), the likeliest first) is relative, and which is absolute.

    said: columns by array, as a user says. Raises DatasetError naming the column where none is either, and where one is
    not what a user says that it is.
    """
    judged = [judge(track, name, values) for name, values in candidates.items()]
    by_name = {one.column: one for one in judged}
    for field, kind in (("rel_actions", RELATIVE), ("actions", ABSOLUTE)):
        if field in said and by_name[said[field]].kind != kind:
            one = by_name[said[field]]
            raise WronglySaid(f"{file}: data.columns.{field} is {one.column}, which is {_not_it(one, kind)}.")
    relative = next((one for one in judged if one.kind == RELATIVE), None)
    absolute = next((one for one in judged if one.kind == ABSOLUTE), None)
    if relative is None and absolute is None:
        first = judged[0]
        raise DatasetError(
            f"{file}: {first.column} is neither CALVIN's relative nor absolute action: {first.reason}."
        )
    reasons, notes = [], []
    if relative is not None:
        reasons.append(f"rel_actions is {relative.column}: {relative.reason}")
        notes += _other_relative(relative, judged, candidates)
    elif absolute is not None:
        reasons.append(f"rel_actions are made of {absolute.column} and the state")
    if absolute is not None:
        reasons.append(f"actions is {absolute.column}: {absolute.reason}")
    else:
        reasons.append("actions is absent: no column is an absolute pose")
    notes += [
        f"{one.column} is not used: it is neither a relative nor an absolute action: {one.reason}"
        for one in judged
        if one.kind is None
    ]
    return Decision(
        None if relative is None else relative.column,
        None if absolute is None else absolute.column,
        tuple(reasons),
        tuple(notes),
    )


def judge(track: Track, column: str, values: np.ndarray) -> Judged:
    """values: (N, 7)."""
    gripper = _fault_of_gripper(track, values)
    relative, absolute = _relative_error(track, values), _absolute_error(track, values)
    right_relative, right_absolute = _share(track, relative), _share(track, absolute)
    if max(right_relative, right_absolute) < _SHARE:
        return Judged(column, None, _why_neither(track, values))
    kind = RELATIVE if right_relative >= right_absolute else ABSOLUTE
    if gripper is not None:
        return Judged(column, None, gripper)
    known = track.rows(1) >= 0
    right = known & ((relative if kind == RELATIVE else absolute) <= _SAME)
    if not known.any():
        within = {RELATIVE: "it is within -1..1", ABSOLUTE: "it is near the pose of the state"}[kind]
        return Judged(column, kind, f"{kind}, as {within}")
    told = {
        RELATIVE: "leads to the next pose of the state, clipped and scaled",
        ABSOLUTE: "is the next pose of the state",
    }[kind]
    odd = known & ~right
    not_in = f" (not in {track.frame(int(np.argmax(odd)))})" if odd.any() else ""
    return Judged(column, kind, f"{kind}, as in {right.sum()} of {known.sum()} frames it {told}{not_in}")


def _relative_error(track: Track, values: np.ndarray) -> np.ndarray:
    """(N,): largest difference from the relative action that leads to the next pose; NaN where there is none."""
    found: np.ndarray = np.abs(values[:, :6] - clipped(track.wanted())).max(axis=1)
    return np.where((np.abs(values[:, :6]) > 1 + SAME_ACTION).any(axis=1), np.inf, found)


def _absolute_error(track: Track, values: np.ndarray, shift: int = 0) -> np.ndarray:
    """(N,): how far the action lies from the next pose, in largest steps; NaN where there is none."""
    rows = track.rows(shift + 1)
    known = rows >= 0
    found = np.full(len(values), np.nan)
    found[known] = np.abs(steps(track.pose[rows[known]], values[known, :6])).max(axis=1)
    far = np.abs(steps(track.pose, values[:, :6])).max(axis=1) > _NEAR
    return np.where(far, np.inf, found)


def _share(track: Track, error: np.ndarray) -> float:
    """Of the frames that tell: those in which the robot moves, and those in which it is still, each by itself. Only a
    set whose episodes have one frame has none; then what is not out of bounds counts.
    """
    wanted = track.wanted()
    known = np.isfinite(wanted).all(axis=1)
    right = np.nan_to_num(error, nan=0.0) <= _SAME
    if not known.any():
        return float(right.mean())
    moving = known & (np.abs(np.nan_to_num(wanted)).max(axis=1) > 2 * _SAME)
    shares = [float(right[rows].mean()) for rows in (moving, known & ~moving) if rows.sum() >= 4]
    return min(shares, default=float(right[known].mean()))


def _fault_of_gripper(track: Track, values: np.ndarray) -> str | None:
    commands = values[:, ACTION_GRIPPER]
    bad = ~np.isin(commands, (-1.0, 1.0))
    if bad.sum() > (1 - _SHARE) * len(bad):
        kinds = np.unique(commands)
        told = " and ".join(f"{kind:g}" for kind in kinds[:2]) if len(kinds) <= 2 else "many"
        return f"the gripper's command is not 1 or -1, but {told}"
    following = track.rows(1)
    known = following >= 0
    told_next = track.states[following[known], GRIPPER_COMMAND]
    same = commands[known] == told_next
    if known.sum() and same.mean() < 1 - _SHARE:
        return "the gripper's commands are the opposite of what the state says that it was told"
    return None


def _why_neither(track: Track, values: np.ndarray) -> str:
    """The end of a sentence."""
    for sentence in (*_shifted(track, values), *_other_units(track, values)):
        return sentence
    explained = _explained(track, values)
    if explained is not None:
        return explained
    relative = _share(track, _relative_error(track, values))
    absolute = _share(track, _absolute_error(track, values))
    return (
        f"it leads to the next pose of the state in {relative:.0%} of the frames that tell, and is that pose in "
        f"{absolute:.0%}"
    )


def _shifted(track: Track, values: np.ndarray) -> Iterator[str]:
    """Actions of another frame."""
    for shift in _SHIFTS:
        plural = "s" if abs(shift) > 1 else ""
        when = f"{abs(shift)} frame{plural} {'later' if shift > 0 else 'earlier'}"
        wanted = clipped(track.wanted(shift))
        error = np.abs(values[:, :6] - wanted).max(axis=1)
        if _share_where_known(track, error) >= _EXPLAINED:
            yield f"its values are the relative actions of {when}"
        if _share_where_known(track, _absolute_error(track, values, shift)) >= _EXPLAINED:
            yield f"its values are the absolute actions of {when}"


def _share_where_known(track: Track, error: np.ndarray) -> float:
    known = np.isfinite(np.where(np.isinf(error), 0, error))
    moving = known & (np.abs(np.nan_to_num(track.wanted())).max(axis=1) > 2 * _SAME)
    if moving.sum() < 4:
        return 0.0
    return float((error[moving] <= _SAME).mean())


def _other_units(track: Track, values: np.ndarray) -> Iterator[str]:
    """Absolute poses that are not in metres and radians, or whose angles are others than the state's."""
    rows = track.rows(1)
    known = rows >= 0
    if not known.any():
        return
    following, given = track.pose[rows[known]], values[known]
    distance = np.abs(given[:, :3] - following[:, :3]).max(axis=1)
    same_place = (distance < 0.02 * _SAME).mean() >= _SHARE
    turned = np.radians(given[:, 3:6])
    in_degrees = np.abs(wrapped_angle(turned - following[:, 3:6])).max(axis=1) < 0.05 * _SAME
    if in_degrees.mean() >= _SHARE:
        yield "it is an absolute pose whose angles are in degrees, not radians"
    elif same_place:
        yield "its positions are the next ones of the state, and its angles are not (another convention of angles?)"
    for factor, unit in ((1000.0, "millimetres"), (100.0, "centimetres")):
        apart = np.abs(given[:, :3] / factor - following[:, :3]).max(axis=1)
        if (apart < 0.02 * _SAME).mean() >= _SHARE:
            yield f"it is an absolute pose whose positions are in {unit}, not metres"


def _explained(track: Track, values: np.ndarray) -> str | None:
    """What is wrong with relative actions, by the same look as at CALVIN's own files; None where that finds nothing."""
    rows = track.rows(1)
    known = np.flatnonzero(rows >= 0)[:_SHOWN_FRAMES]
    if not len(known):
        return None
    action = np.c_[track.pose[rows[known]], values[known, 6]]
    found = look_at_actions(Motions(known, track.pose[known], action, values[known]), Path("it"))
    sentences = [one.removeprefix("it: ").removesuffix(".") for one in (*found.systematic, *found.faults)]
    told = next((one for one in sentences if ": " in one), sentences[0] if sentences else None)
    return None if told is None else cut(told.replace("robot_obs to actions", "one pose to the next"), 300)


def _other_relative(
    first: Judged, judged: Sequence[Judged], candidates: Mapping[str, np.ndarray]
) -> list[str]:
    notes = []
    for other in judged:
        if other.kind == RELATIVE and other.column != first.column:
            apart = float(np.abs(candidates[other.column] - candidates[first.column]).max())
            if apart > SAME_ACTION:
                notes.append(f"{other.column} is relative too and differs by {apart:.2g}; it is not used")
    return notes


def _not_it(one: Judged, kind: str) -> str:
    return f"not {kind}: {one.reason}" if one.kind is None else f"{one.kind} and not {kind}: {one.reason}"
