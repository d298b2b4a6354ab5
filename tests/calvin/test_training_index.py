from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.training_index import Gaze, build_items, write_index
from errors import InvalidInput
from tasks.data.index_reader import Items
from tests.calvin.samples import make_episode

SEEN = Gaze("colour", (1, 2, 30, 40), 0.9, None)
UNSEEN = Gaze("colour", None, None, "not visible")


def items() -> list[dict[str, Any]]:
    return build_items(make_episode(100, 6), [SEEN] * 4 + [UNSEEN] * 2, 3)


def test_items_are_what_the_episode_holds() -> None:
    episode = make_episode(100, 6)
    built = items()
    assert [item["id"] for item in built] == [f"task_3_frame_{offset}" for offset in range(6)]
    assert built[1] == {
        "id": "task_3_frame_1",
        "demonstration": 3,
        "frame": 101,
        "image": "training/task_3_frame_1.jpg",
        "crop": "training/crop/task_3_frame_1.jpg",
        "instruction": "draw the drawer out",
        "task": "open_drawer",
        "scene": "D",
        "robot_obs": episode.robot_obs[1].tolist(),
        "actions": episode.rel_actions[1:6].tolist(),
        "gaze": {
            "detector": "colour",
            "box": [1, 2, 30, 40],
            "score": 0.9,
            "reason": None,
            "source": None,
            "weight": 1.0,
        },
    }


def test_no_target_is_a_reason_and_no_crop() -> None:
    assert items()[5]["crop"] is None
    gaze = items()[5]["gaze"]
    assert gaze["box"] is None and gaze["score"] is None and gaze["reason"] == "not visible"


def test_the_tail_stands_still_and_holds_the_gripper() -> None:
    episode = make_episode(100, 6)
    actions = np.array(items()[4]["actions"])
    np.testing.assert_array_equal(actions[:2], episode.rel_actions[4:])
    np.testing.assert_array_equal(actions[2:, :6], np.zeros((3, 6)))
    assert (actions[2:, 6] == episode.rel_actions[5, 6]).all()


def test_the_official_tail_repeats_the_last_motion() -> None:
    episode = make_episode(100, 6)
    built = build_items(episode, [SEEN] * 6, 3, repeat_motion=True)
    np.testing.assert_array_equal(built[4]["actions"], episode.rel_actions[[4, 5, 5, 5, 5]])
    assert built[1] == build_items(episode, [SEEN] * 6, 3)[1], "only chunks beyond the end differ"


def test_gaze_for_every_frame() -> None:
    with pytest.raises(InvalidInput, match="gaze is given for 1 of 6 frames"):
        build_items(make_episode(100, 6), [SEEN], 0)


@pytest.mark.parametrize(
    "fields",
    [(None, None, None), ((1, 2, 3, 4), None, None), (None, 0.5, "why"), ((1, 2, 3, 4), 0.5, "why")],
)
def test_a_gaze_has_a_box_or_a_reason(fields: tuple) -> None:
    with pytest.raises(InvalidInput, match="either a box and a score or the reason"):
        Gaze("colour", *fields)


def test_round_trip(tmp_path: Path) -> None:
    assert write_index(iter(items()), tmp_path / "index.json") == 6
    assert (
        list(Items(tmp_path / "index.json")) == json.loads((tmp_path / "index.json").read_text()) == items()
    )


def test_same_items_give_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_index(items(), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_no_items(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least one item"):
        write_index([], tmp_path / "index.json")


def set_in(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(item: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            item = item[parent]
        item[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.pop("actions"), "has no 'actions'"),
        (lambda item: item.pop("id"), "has no 'id'"),
        (set_in("id", ""), "unusable 'id'"),
        (set_in("frame", -1), "unusable 'frame': -1"),
        (set_in("demonstration", True), "unusable 'demonstration'"),
        (set_in("crop", None), "unusable 'gaze'"),
        (set_in("crop", 3), "unusable 'crop'"),
        (set_in("instruction", " "), "unusable 'instruction'"),
        (set_in("task", "fly"), "unusable 'task'"),
        (set_in("scene", "E"), "unusable 'scene'"),
        (set_in("robot_obs", [0.0] * 14), "unusable 'robot_obs'"),
        (set_in("robot_obs", ["0"] * 15), "unusable 'robot_obs'"),
        (set_in("actions", [[0.0] * 7] * 4), "unusable 'actions'"),
        (set_in("actions", [[0.0] * 6] * 5), "unusable 'actions'"),
        (set_in("gaze.detector", None), "unusable 'gaze'"),
        (set_in("gaze.box", [1, 2, 3]), "unusable 'gaze'"),
        (set_in("gaze.score", None), "unusable 'gaze'"),
        (set_in("gaze.reason", "why"), "unusable 'gaze'"),
        (set_in("gaze", []), "unusable 'gaze'"),
    ],
)
def test_refuses_an_item_by_number_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    changed = copy.deepcopy(items())
    change(changed[1])
    with pytest.raises(InvalidInput, match=f"^Item 1 .*{message}"):
        write_index(changed, tmp_path / "written.json")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    changed = items()
    changed[0]["robot_obs"][3] = float("nan")
    with pytest.raises(InvalidInput, match="unusable 'robot_obs'"):
        write_index(changed, tmp_path / "index.json")
