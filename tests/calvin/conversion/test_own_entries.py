"""What Baton writes into LeRobot sets beside what lerobot asks for, where somebody changed it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from calvin.lerobot_format.beside import FILE
from calvin.split import TRAINING, open_split
from errors import DatasetError
from tests.calvin.conversion.converting import converted, dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    converted(dataset(folder / "npz", training=2), folder / "set", "v2.1 png float64")
    return folder / "set"


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "set"))


def change_entry(root: Path, **changed: Any) -> None:
    """Of the first episode."""
    file = root / "meta" / "episodes.jsonl"
    first, *others = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps({**json.loads(first), **changed}), *others]) + "\n")


@pytest.mark.parametrize("value", [-1, "12", 1.5, 10**30, True, [1]])
def test_a_first_frame_that_is_none(root: Path, value: Any) -> None:
    change_entry(root, first_frame=value)
    with pytest.raises(
        DatasetError, match=r"episodes\.jsonl: line 1: first_frame is .*, not the number of a frame"
    ):
        open_split(root, TRAINING)


def test_numbers_that_only_some_have_are_not_taken(root: Path) -> None:
    change_entry(root, first_frame=None)
    assert [d.start for d in open_split(root, TRAINING).demonstrations] == [0, 5]


@pytest.mark.parametrize("value", ["E", 3, None, ["A"]])
def test_a_scene_that_is_none_of_calvins_is_unknown(root: Path, value: Any) -> None:
    change_entry(root, scene=value)
    assert open_split(root, TRAINING).demonstrations[0].scene == "unknown"
    assert open_split(root, TRAINING).demonstrations[1].scene == "A"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "are no JSON"),
        ("[]", "is a list, not a dict"),
        ('{"block": 1}', r"block: 1 is not \{"),
        ('{"block": {"box": [0, 0, 1e300, 1]}}', "block: box is"),
        ('{"block": {"box": null, "pixels": -1}}', "block: pixels is -1, not a number of pixels"),
    ],
)
def test_boxes_that_cannot_be_used(root: Path, text: str, says: str) -> None:
    import pyarrow as pa

    file = root / "data" / "chunk-000" / "episode_000000.parquet"
    table = pq.read_table(file)
    place = table.schema.get_field_index("boxes")
    pq.write_table(table.set_column(place, "boxes", pa.array([text] * table.num_rows)), file)
    split = open_split(root, TRAINING)
    with pytest.raises(
        DatasetError, match=rf"episode_000000\.parquet: boxes of frame 0 of episode 0.*{says}"
    ):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    "content",
    [
        "[]", '{"recordings": 1}', '{"recordings": {}, "instructions": {}}', "nonsense",
        '{"recordings": {"training": {"drawn_by": "egl", "scenes": "calvin", "x": 1}}, "instructions": {}, "seal": ""}',
        '{"recordings": {}, "instructions": {"training": {"dance": "dance"}}, "seal": ""}',
        '{"recordings": {}, "instructions": {"training": {"open_drawer": " "}}, "seal": ""}',
    ],
)  # fmt: skip
def test_a_damaged_file_beside_it(root: Path, content: str) -> None:
    (root / FILE).write_text(content)
    with pytest.raises(DatasetError, match=r"meta/calvin\.json"):
        open_split(root, TRAINING).recording()


@pytest.mark.parametrize("about", [{"drawn_by": "crayon"}, {"scenes": "mine"}, {"losses": 5}])
def test_who_drew_the_pictures_is_one_that_can_be(root: Path, about: dict[str, Any]) -> None:
    content = json.loads((root / FILE).read_text())
    content["recordings"]["training"] |= about
    (root / FILE).write_text(json.dumps(content))
    assert open_split(root, TRAINING).recording().renderer is None
