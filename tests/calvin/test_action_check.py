"""Actions in another convention than CALVIN's are one sentence that names it; a few odd frames are a note."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.actions import relative_action, wrapped_angle
from calvin.action_check import ActionFindings, look_at_actions
from calvin.action_conventions import _FIT_FRAMES, Motions, clipped
from calvin.dataset import open_dataset

FRAMES = 120
FOLDER = Path("data/training")


def recording(seed: int = 0, first: int = 500) -> Motions:
    """A gripper that points down, so that its first angle jumps at half a turn, in smooth motion with rests."""
    random = np.random.default_rng(seed)
    size = np.repeat(random.uniform(0.1, 1.4, FRAMES // 10 + 1), 10)[: FRAMES + 1, None]
    size[30:40] = 0.0
    change = random.uniform(-1, 1, (FRAMES + 1, 6)) * size * np.repeat([0.02, 0.05], 3)
    poses = np.array([0.05, -0.1, 0.5, math.pi - 0.01, 0.02, 1.5]) + np.cumsum(change, axis=0)
    poses[:, 3:] = wrapped_angle(poses[:, 3:])
    gripper = np.repeat(random.choice([-1.0, 1.0], FRAMES // 8 + 1), 8)[:FRAMES]
    return Motions(
        np.arange(first, first + FRAMES),
        poses[:-1],
        np.c_[poses[1:], gripper],
        relative_action(poses[:-1], poses[1:], gripper),
    )


def changed(motions: Motions, change: Callable[[Motions], np.ndarray | None]) -> Motions:
    """`change` returns other relative actions, or works on the arrays in place."""
    copy = Motions(*(array.copy() for array in vars(motions).values()))
    relative = change(copy)
    return copy if relative is None else Motions(copy.ids, copy.pose, copy.action, relative)


def look(motions: Motions) -> ActionFindings:
    return look_at_actions(motions, FOLDER)


def with_motion(
    motions: Motions, positions: np.ndarray | None = None, angles: np.ndarray | None = None
) -> np.ndarray:
    relative = motions.relative.copy()
    if positions is not None:
        relative[:, :3] = positions
    if angles is not None:
        relative[:, 3:6] = angles
    return relative


def rolled(frames: int) -> Callable[[Motions], np.ndarray]:
    return lambda m: np.roll(m.relative, frames, axis=0)


def tool_frame(motions: Motions) -> np.ndarray:
    delta = motions.action[:, :3] - motions.pose[:, :3]
    return clipped(Rotation.from_euler("xyz", motions.pose[:, 3:]).inv().apply(delta) / 0.02)


def turned(motions: Motions, degrees: float, factor: float = 1.0) -> np.ndarray:
    turn = Rotation.from_euler("z", degrees, degrees=True)
    return clipped(turn.apply(motions.wanted[:, :3]) * factor)


def in_degrees(motions: Motions) -> None:
    motions.pose[:, 3:] = np.degrees(motions.pose[:, 3:])
    motions.action[:, 3:6] = np.degrees(motions.action[:, 3:6])


def frozen_actions(motions: Motions) -> np.ndarray:
    """Consistent with each other, and both without any motion."""
    motions.action[:, :6] = motions.pose
    return relative_action(motions.pose, motions.action, motions.action[:, 6])


def both_shifted(motions: Motions) -> np.ndarray:
    """The label of the next frame; robot_obs are as they were, and actions fit to them."""
    relative = np.roll(motions.relative, -1, axis=0)
    step = relative[:, :6] * np.repeat([0.02, 0.05], 3)
    motions.action[:, :6] = motions.pose + step
    motions.action[:, 6] = relative[:, 6]
    return relative


#: x also in y, and y in z.
SHEAR = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.4], [0.0, 0.0, 1.0]])

CONVENTIONS: list[tuple[str, Callable[[Motions], np.ndarray | None], str]] = [
    ("metres", lambda m: with_motion(m, m.relative[:, :3] * 0.02), r"positions are off by a factor of 1/50 \(metres"),
    (
        "metres and radians",
        lambda m: with_motion(m, m.wanted[:, :3] * 0.02, m.wanted[:, 3:] * 0.05),
        r"positions are off by a factor of 1/50 \(metres.*; angles are off by a factor of 1/20 \(radians",
    ),
    ("another limit", lambda m: with_motion(m, clipped(m.wanted[:, :3] * 0.4)), "positions are off by a factor of 0.4"),
    ("a few per cent", lambda m: with_motion(m, clipped(m.wanted[:, :3] * 1.05)), "positions are off by .* of 1.05"),
    ("twice", lambda m: with_motion(m, None, clipped(m.wanted[:, 3:] * 2)), "angles are off by a factor of 2"),
    ("not clipped", lambda m: with_motion(m, m.wanted[:, :3], m.wanted[:, 3:]), "positions are not clipped"),
    ("degrees", lambda m: with_motion(m, None, np.degrees(m.wanted[:, 3:] * 0.05)), r"angles are .* \(degrees\)"),
    ("opposite", lambda m: with_motion(m, -m.relative[:, :3]), "positions have the opposite sign"),
    ("one axis mirrored", lambda m: with_motion(m, m.relative[:, :3] * [1, -1, 1]), "they hold x, -y, z"),
    ("axes swapped", lambda m: with_motion(m, m.relative[:, [1, 0, 2]]), "they hold y, x, z"),
    ("angles swapped", lambda m: with_motion(m, None, m.relative[:, [5, 4, 3]]), "angles have other axes.*z, y, x"),
    ("tool frame", lambda m: with_motion(m, tool_frame(m)), "positions are in the tool's frame of reference"),
    ("turned base", lambda m: with_motion(m, turned(m, 30)), "positions are in another frame.* by 30 degrees"),
    (
        "turned and scaled",
        lambda m: with_motion(m, turned(m, 30, 0.6)),
        r"positions are in another frame.* by 30 degrees and off by a factor of 0\.6",
    ),
    (
        "sheared",
        lambda m: with_motion(m, clipped(m.wanted[:, :3] @ SHEAR)),
        "positions are another frame of reference's, with axes that are not at right angles",
    ),
    ("next frame's", rolled(-1), "positions are those of 1 frame later; angles are those of 1 frame later"),
    ("last frame's", rolled(1), "positions are those of 1 frame earlier"),
    ("zero", lambda m: m.relative * 0 + [0, 0, 0, 0, 0, 0, 1], "positions are zero; angles are zero"),
    ("absolute", lambda m: with_motion(m, m.action[:, :3], m.action[:, 3:6]), "positions are the absolute .* actions"),
    ("copied state", lambda m: with_motion(m, m.pose[:, :3]), "positions are the absolute pose of robot_obs"),
    (
        "normalised",
        lambda m: with_motion(m, m.relative[:, :3] * [0.5, 0.7, 0.9] + [0.1, -0.1, 0.0]),
        "positions are normalised",
    ),
    (
        "noise",
        lambda m: with_motion(m, np.random.default_rng(1).uniform(-1, 1, (FRAMES, 3))),
        "no factor, shift or frame of reference explains the positions",
    ),
    ("gripper inverted", lambda m: m.relative * [1, 1, 1, 1, 1, 1, -1], "commands are the opposite"),
    (
        "gripper early",
        lambda m: np.c_[m.relative[:, :6], np.roll(m.relative[:, 6], -1)],
        "the gripper's commands are those of 1 frame later",
    ),
    ("gripper stuck", lambda m: np.c_[m.relative[:, :6], np.ones(FRAMES)], r"command is always \+1"),
    ("gripper 0 and 1", lambda m: np.c_[m.relative[:, :6], m.relative[:, 6] > 0], "is not 1 or -1: values are 0 and 1"),
    ("states in degrees", in_degrees, "angles in robot_obs of 120 of 120 frames .* they are in radians"),
    ("states zero", lambda m: m.pose.fill(0), r"robot_obs of 120 of 120 frames \(first: 500\) has no pose"),
    ("both without motion", frozen_actions, "are zero, while robot_obs moves"),
    ("both of the next frame", both_shifted, "are those of 1 frame later, as robot_obs moves"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), [pytest.param(c, s, id=name) for name, c, s in CONVENTIONS])
def test_another_convention_in_every_frame_is_one_sentence_that_names_it(
    change: Callable[[Motions], np.ndarray | None], says: str
) -> None:
    found = look(changed(recording(), change))
    assert found.faults == () and 1 <= len(found.systematic) <= 2, found
    sentences = [sentence for sentence in found.systematic if re.search(says, sentence)]
    assert len(sentences) == 1, found
    assert sentences[0].startswith(f"{FOLDER}: ")
    assert re.search(r"\d+ of 120 frames \(first: 5\d\d\)", sentences[0])


def test_frames_that_are_too_few_or_all_clipped_are_fitted_by_nothing() -> None:
    nothing = "no factor, shift or frame of reference explains the positions"
    few = changed(recording(), lambda m: with_motion(m, turned(m, 30)))
    few = Motions(*(array[: _FIT_FRAMES - 1] for array in vars(few).values()))
    fast = recording()
    fast.action[:, :3] = fast.pose[:, :3] + 0.05
    fast.relative[:, :3] = np.random.default_rng(1).choice([-1.0, 1.0], (FRAMES, 3))
    for motions in (few, fast):
        assert any(nothing in sentence for sentence in look(motions).systematic), look(motions)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_right_actions_are_right_in_every_precision_of_files(dtype: str) -> None:
    rounded = changed(recording(), lambda m: m.relative)
    rounded = Motions(
        rounded.ids,
        *(getattr(rounded, name).astype(dtype).astype("f8") for name in ("pose", "action", "relative")),
    )
    found = look(rounded)
    assert (found.systematic, found.faults) == ((), ())
    assert bool(found.notes) == (dtype == "float16")


def test_rounding_is_not_explained_by_what_differs_in_other_frames_only() -> None:
    """Slow motion that needs no clipping, its rel_actions alone in half precision."""
    slow = recording()
    small = clipped(slow.wanted) * 0.9
    poses = slow.action.copy()
    poses[:, :6] = slow.pose + small * np.repeat([0.02, 0.05], 3)
    relative = np.c_[small, slow.relative[:, 6]].astype("f2").astype("f8")
    found = look(Motions(slow.ids, slow.pose, poses, relative))
    assert (found.systematic, found.faults) == ((), ())
    assert len(found.notes) == 1 and " of 120 frames" in found.notes[0]


def test_a_few_odd_frames_are_a_note_with_count_and_first() -> None:
    def odd(motions: Motions) -> np.ndarray:
        relative = motions.relative.copy()
        relative[[7, 50, 99], :3] *= 0.02
        return relative

    found = look(changed(recording(), odd))
    assert (found.systematic, found.faults) == ((), ())
    assert found.notes == (
        "rel_actions of 3 of 120 frames (first: 507) are not those that lead from robot_obs to actions",
    )


def test_one_demonstration_in_ten_of_another_convention_is_a_problem() -> None:
    def some(motions: Motions) -> np.ndarray:
        relative = motions.relative.copy()
        relative[60:72, :6] *= np.repeat([0.02, 0.05], 3)
        return relative

    (sentence,) = look(changed(recording(), some)).systematic
    assert (
        "rel_actions of 12 of 120 frames (first: 560)" in sentence
        and "1/50" in sentence
        and "1/20" in sentence
    )


def test_angles_that_were_not_wrapped_are_named_although_few_frames_show_it() -> None:
    def unwrapped(motions: Motions) -> np.ndarray:
        turn = (motions.action[:, 3:6] - motions.pose[:, 3:6]) / 0.05
        return with_motion(motions, None, clipped(turn))

    parts = [vars(recording(seed, 500 + 200 * seed)).values() for seed in range(6)]
    (sentence,) = look(changed(Motions(*map(np.concatenate, zip(*parts))), unwrapped)).systematic
    assert "angles were taken across the jump at half a turn" in sentence


def test_actions_that_nobody_trains_on_may_be_others() -> None:
    """rel_actions lead to the pose that is measured next; what `actions` say is not used."""

    def others(motions: Motions) -> None:
        motions.action[:, :6] = motions.relative[:, :6]

    found = look(changed(recording(), others))
    assert found.systematic == ()
    assert "but to the next frame's robot_obs" in found.notes[0]


def test_a_robot_at_rest_is_no_fault() -> None:
    motions = recording()
    rest = Motions(
        motions.ids,
        np.full((FRAMES, 6), 0.1),
        np.tile([0.1] * 6 + [1.0], (FRAMES, 1)),
        np.tile([0.0] * 6 + [1.0], (FRAMES, 1)),
    )
    assert look(rest) == ActionFindings((), (), ())
    assert look(Motions(*(array[:0] for array in vars(rest).values()))) == ActionFindings((), (), ())


def test_real_frames_are_sound_and_each_convention_is_found_in_them(calvin_mini: Path) -> None:
    for split in ("training", "validation"):
        opened = open_dataset(calvin_mini, split)
        episodes = [opened.read(demonstration) for demonstration in opened.demonstrations]
        real = Motions(
            np.concatenate([np.arange(e.start, e.end + 1) for e in episodes]),
            np.concatenate([e.robot_obs[:, :6] for e in episodes]),
            np.concatenate([e.actions for e in episodes]),
            np.concatenate([e.rel_actions for e in episodes]),
        )
        assert look(real) == ActionFindings((), (), ())
        for name in ("metres", "axes swapped", "tool frame", "next frame's", "absolute", "zero"):
            ((change, says),) = [(c, s) for n, c, s in CONVENTIONS if n == name]
            assert any(
                re.search(says.split(";")[0], text) for text in look(changed(real, change)).systematic
            ), name
