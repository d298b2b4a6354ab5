"""The official downloads whose scenes were wrong at first, and those that are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.annotations import SceneRange
from calvin.dataset import open_dataset
from calvin.downloads import fault_of_scenes, known_download
from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split

D, ABC, ABCD = 611_098, 1_795_044, 2_406_143
RIGHT = [
    (D, {"D": (0, D)}),
    (ABC, {"B": (0, 598_909), "C": (598_910, 1_191_338), "A": (1_191_339, ABC)}),
    (ABCD, {"D": (0, D), "B": (D + 1, 1_210_008), "C": (1_210_009, 1_802_437), "A": (1_802_438, ABCD)}),
]


def ranges(scenes: dict[str, tuple[int, int]]) -> tuple[SceneRange, ...]:
    return tuple(SceneRange(scene, *frames) for scene, frames in scenes.items())


@pytest.mark.parametrize(("last", "scenes"), RIGHT)
def test_downloads_of_today_are_sound(last: int, scenes: dict[str, tuple[int, int]]) -> None:
    assert fault_of_scenes(ranges(scenes), last) is None
    assert fault_of_scenes(ranges(scenes), 120) is None  # part of the frames
    for scene in scenes:  # part of the scenes
        assert fault_of_scenes(ranges({scene: scenes[scene]}), last) is None


@pytest.mark.parametrize(
    ("last", "scenes", "name"),
    [
        (D, {"A": (0, D)}, "D"),
        (ABC, {"A": (0, 598_909), "B": (598_910, 1_191_338), "C": (1_191_339, ABC)}, "ABC"),
        (ABC, {"A": (0, D), "B": (D + 1, 1_210_008), "C": (1_210_009, 1_802_437)}, "ABC"),
        (
            ABCD,
            {"A": (0, D), "B": (D + 1, 1_210_008), "C": (1_210_009, 1_802_437), "D": (1_802_438, ABCD)},
            "ABCD",
        ),
    ],
)
def test_downloads_of_before_are_named(last: int, scenes: dict[str, tuple[int, int]], name: str) -> None:
    fault = fault_of_scenes(ranges(scenes), last)
    assert fault is not None
    assert f"the {name} download" in fault
    wrong = next(
        scene for scene in scenes if (last, scenes[scene]) not in [(r[0], r[1].get(scene)) for r in RIGHT]
    )
    assert f"scene {wrong}" in fault


def test_other_data_are_not_compared() -> None:
    assert fault_of_scenes(ranges({"A": (0, 900), "B": (901, 5000)}), 5000) is None
    assert fault_of_scenes((), D) is None


def test_a_download_is_known_by_its_last_frame_of_its_split() -> None:
    assert known_download("training", ranges({"D": (0, D)}), [(5, 9)]) == "D"
    assert known_download("training", (), [(0, 9), (20, ABC)]) == "ABC"
    assert known_download("validation", (), [(0, 53_818), (399_946, 420_498)]) == "D, ABC and ABCD"
    for split, last in (("validation", 361_252), ("training", 555_241), ("training", 420_498)):
        assert known_download(split, (), [(0, last)]) is None
    assert known_download("training", (), []) is None


def test_a_download_of_before_is_not_opened(tmp_path: Path) -> None:
    """Its annotations are wrong as well, so training on it would be."""
    write_split(tmp_path, "training", [make_episode(D - 5, 6, scene="A")])
    with pytest.raises(DatasetError, match=r"scene_info\.npy: scene A is said to be frames 611093-611098"):
        open_dataset(tmp_path, "training")
