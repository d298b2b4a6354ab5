"""Small datasets to convert, and what is compared of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from calvin.conversion.calvin_target import CalvinTarget
from calvin.conversion.convert import Progress, convert
from calvin.conversion.source import Source, opened_source
from calvin.conversion.target import Target
from calvin.episode import FRAME_SHAPES, Episode
from calvin.lerobot_writer.layout import Layout
from calvin.lerobot_writer.target import LeRobotTarget
from calvin.split import NOTHING_SAID, Reading, Split, open_split
from tests.calvin import lerobot_sets as sets
from tests.calvin.writing import write_split

EXACT = ("v3.0 png float64", "v2.1 png float64", "calvin")
SPLITS = ("training", "validation")


def dataset(root: Path, training: int = 3, **fields: Any) -> Path:
    """CALVIN's files of some training demonstrations in two scenes, with gaps between their frames, and of one of the
    validation. Pictures are few squares, each frame another; numbers need all digits of float64."""
    shown = [
        _numbered(sets.episodes(training + 1)[number], number, 100 + 20 * number)
        for number in range(training + 1)
    ]
    trained = [_of(e, scene="A" if n < 2 else "B", **fields) for n, e in enumerate(shown[:-1])]
    write_split(root, "training", trained, drawn_by="egl", scenes="calvin")
    held_out = _of(shown[-1], scene="D", split="validation", task="open_drawer",
                   instruction="pull the handle to open the drawer", **fields)  # fmt: skip
    phrases = {"open_drawer": "pull the handle to open the drawer"}
    write_split(root, "validation", [held_out], validation_instructions=phrases)
    return root


def _numbered(episode: Episode, number: int, start: int) -> Episode:
    frames = len(episode)
    pictures = {
        field: sets.numbered(1000 * number, frames, size)
        for field, size in (("rgb_static", 200), ("rgb_gripper", 84))
    }
    exact = np.random.RandomState(number).uniform(-1, 1, (frames, 24))
    things = tuple({"red_block": (frame, 1, frame + 9, 12), "drawer": None} for frame in range(frames))
    counts = tuple({"red_block": frame, "drawer": 0} for frame in range(frames))
    return _of(
        episode, **pictures, scene_obs=exact, boxes=things, pixels=counts, start=start, end=start + frames - 1
    )


def _of(episode: Episode, **fields: Any) -> Episode:
    return Episode(**{**vars(episode), **fields})


def target_of(source: Source, form: str) -> Target:
    """form: `calvin`, or version, pictures and numbers of a LeRobot set."""
    if form == "calvin":
        return CalvinTarget(source.digits, tuple(source.extras), source.records, source.instructions)
    version, pictures, numbers = form.split()
    layout = Layout(version, pictures, numbers, source.arrays, source.extras, source.has_boxes)  # type: ignore[arg-type]
    return LeRobotTarget(layout, source.records, source.instructions)


def converted(
    root: Path, dst: Path, form: str, reading: Reading = NOTHING_SAID, everything: bool = False
) -> list[Progress]:
    source = opened_source(root, reading, everything)
    return list(convert(source, target_of(source, form), dst))


def assert_same_dataset(
    left: Path, right: Path, but: tuple[str, ...] = (), reading: Reading = NOTHING_SAID
) -> None:
    """but: arrays that may differ."""
    for name in SPLITS:
        of_left, of_right = open_split(left, name, reading), open_split(right, name, reading)
        assert of_left.demonstrations == of_right.demonstrations
        assert dict(of_left.validation_instructions) == dict(of_right.validation_instructions)
        for one, other in zip(of_left.demonstrations, of_right.demonstrations, strict=True):
            assert_same_demonstration(of_left, of_right, one, other, but)


def assert_same_demonstration(
    left: Split, right: Split, one: Any, other: Any, but: tuple[str, ...] = ()
) -> None:
    a, b = left.read(one), right.read(other)
    for field in FRAME_SHAPES:
        if field in but:
            continue
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)
        for frame in (one.start, one.end):
            np.testing.assert_array_equal(left.read_frame(frame)[field], right.read_frame(frame)[field])
    assert (a.boxes, a.pixels, a.start, a.end, a.scene, a.split) == (
        b.boxes,
        b.pixels,
        b.start,
        b.end,
        b.scene,
        b.split,
    )


def bytes_of(root: Path) -> dict[str, str]:
    """SHA-256 of every file by its path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
