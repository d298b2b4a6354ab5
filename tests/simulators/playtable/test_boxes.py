from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simulators.base import BOX_NAMES
from simulators.playtable.boxes import box_around, segment_of
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import Choice, random_scene


def overlap(a: list[int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def overlaps(calvin_mini: Path, sim: PlayTable, demonstrations: int) -> dict[str, list[float]]:
    """By name, of our box and the recorded one at the beginning of demonstrations, where both are there."""
    found: dict[str, list[float]] = {name: [] for name in BOX_NAMES}
    recorded = json.loads((calvin_mini / "validation" / "boxes.json").read_text())
    entries = json.loads((calvin_mini / "validation" / "demos.json").read_text())
    entries = [entry for entry in entries if entry["scene"] == f"calvin_scene_{sim.scene.name}"]
    if not entries:
        pytest.skip(f"no demonstration in scene {sim.scene.name}")
    for entry in entries[:demonstrations]:
        frame = f"{entry['start']:07d}"
        arrays = np.load(calvin_mini / "validation" / f"episode_{frame}.npz")
        sim.reset(arrays["robot_obs"], arrays["scene_obs"])
        for name, ours in sim.true_boxes().items():
            official = recorded[frame][name]["box"]
            if sim.scene.origin != "baton":
                assert (official is None) == (ours is None), (frame, name)
            if official is not None and ours is not None:
                found[name].append(overlap(official, ours))
    return found


def test_box_is_exclusive_at_its_end() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:7] = True
    assert box_around(mask) == (3, 2, 7, 5)
    assert box_around(np.zeros((10, 10), bool)) is None


def test_segments_count_links_from_the_base() -> None:
    assert segment_of((4, -1)) == 4
    assert segment_of((4, 2)) == 4 + (3 << 24)


def test_hidden_block_has_no_box(table_d: PlayTable) -> None:
    choice = Choice(slide_left=True, blocks=(("block_blue", "slider_left"),))
    table_d.reset(scene_obs=random_scene(table_d.scene, np.random.default_rng(0), choice))
    assert table_d.true_boxes()["blue_block"] is None


def test_pixels_are_counted_within_their_boxes(table_d: PlayTable) -> None:
    choice = Choice(slide_left=True, blocks=(("block_blue", "slider_left"),))
    table_d.reset(scene_obs=random_scene(table_d.scene, np.random.default_rng(0), choice))
    seen = table_d.observe(("static",), boxes=True)
    assert seen["visible_pixels"].keys() == seen["true_boxes"].keys() == set(BOX_NAMES)
    assert seen["visible_pixels"]["blue_block"] == 0
    for name, box in seen["true_boxes"].items():
        area = 0 if box is None else (box[2] - box[0]) * (box[3] - box[1])
        assert (seen["visible_pixels"][name] > 0) == (box is not None)
        assert seen["visible_pixels"][name] <= area


def test_own_boxes_lie_near_the_official_ones(calvin_mini: Path, table_d: PlayTable) -> None:
    found = overlaps(calvin_mini, table_d, 8)
    for name in ("red_block", "blue_block", "drawer", "slider", "led"):
        assert not found[name] or np.mean(found[name]) > 0.9, name
    assert sum(map(len, found.values())) > 0


def test_official_boxes_are_the_recorded_ones(calvin_mini: Path, official_d: PlayTable) -> None:
    for name, values in overlaps(calvin_mini, official_d, 4).items():
        assert not values or np.mean(values) > 0.9, name
