from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simulators.playtable.cameras import box_of, segment_ids, whole_static_picture
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import Choice, random_scene


def overlap(a: list[int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_box_is_exclusive_at_its_end() -> None:
    segments = np.full((10, 10), -1, np.int32)
    segments[2:5, 3:7] = segment_ids(4, [2])[0]
    assert box_of(segments, segment_ids(4, [1, 2])) == (3, 2, 7, 5)
    assert box_of(segments, segment_ids(5, [2])) is None


def test_backdrop_gives_the_picture_of_a_whole_render(table_d: PlayTable) -> None:
    for seed, (bulb, led) in enumerate([(False, False), (True, False), (False, True), (True, True)]):
        choice = Choice(bulb_on=bulb, led_on=led)
        table_d.reset(
            scene_obs=random_scene(table_d.scene, table_d.ranges, np.random.default_rng(seed), choice)
        )
        for _ in range(4):
            table_d.step(np.array([0.4, -0.3, 0.2, 0.0, 0.1, 0.2, -1.0]))
        whole = whole_static_picture(table_d._client)
        ours = table_d.observe(("static",))["rgb_static"]
        # Where two surfaces touch, depth ties may fall either way.
        assert (whole.rgb != ours).any(axis=2).sum() <= 4


def test_lamps_show_their_colour(table_d: PlayTable) -> None:
    for on in (False, True):
        choice = Choice(bulb_on=on, led_on=on)
        table_d.reset(scene_obs=random_scene(table_d.scene, table_d.ranges, np.random.default_rng(0), choice))
        observation = table_d.observe(("static",), boxes=True)
        for lamp, dark_channels in (("lightbulb", [2]), ("led", [0, 2])):
            x0, y0, x1, y1 = observation["true_boxes"][lamp]
            pixel = observation["rgb_static"][(y0 + y1) // 2, (x0 + x1) // 2]
            assert (pixel[dark_channels].max() < 60) == on


def test_hidden_block_has_no_box(table_d: PlayTable) -> None:
    choice = Choice(slide_left=True, blocks=(("block_blue", "slider_left"),))
    table_d.reset(scene_obs=random_scene(table_d.scene, table_d.ranges, np.random.default_rng(0), choice))
    assert table_d.true_boxes()["blue_block"] is None


@pytest.mark.parametrize(
    ("name", "least"),
    [("red_block", 0.9), ("blue_block", 0.9), ("drawer", 0.9), ("slider", 0.9), ("led", 0.9)],
)
def test_boxes_lie_where_the_official_renderer_has_them(
    calvin_mini: Path, table_d: PlayTable, name: str, least: float
) -> None:
    demonstrations = json.loads((calvin_mini / "validation" / "demos.json").read_text())
    boxes = json.loads((calvin_mini / "validation" / "boxes.json").read_text())
    overlaps = []
    for demonstration in demonstrations:
        frame = f"{demonstration['start']:07d}"
        arrays = np.load(calvin_mini / "validation" / f"episode_{frame}.npz")
        table_d.reset(arrays["robot_obs"], arrays["scene_obs"])
        official, ours = boxes[frame][name]["box"], table_d.true_boxes()[name]
        if official is not None and ours is not None:
            overlaps.append(overlap(official, ours))
    assert len(overlaps) >= 4
    assert np.mean(overlaps) > least
