"""Two small sets that lerobot 0.4.4's own writer made (tests/data/lerobot; one without its stats.json).

`trials/lerobot_reader.py` has it write and read others.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from calvin.conversion import convert as conversion
from calvin.conversion.source import opened_source
from calvin.episode import Episode
from calvin.split import TRAINING, Reading, open_split
from tests.calvin import lerobot_sets as sets
from tests.calvin.conversion.converting import target_of

DATA = Path(__file__).parents[1] / "data" / "lerobot"
NONE = Reading(validation_episodes="none")
#: Numbers that each set has beside its pictures; a column takes 7 kB of statistics in the list of episodes.
ARRAYS = {
    "pictures": ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "rel_actions"),
    "films": ("rgb_static", "rgb_gripper", "robot_obs", "actions"),
}


def shown() -> list[Episode]:
    """What the sets were made of."""
    found, first = [], 0
    for number, told in enumerate(sets.TRAINED[:2]):
        episode = sets.recorded(number, 3 + number, told)
        pictures = {
            field: sets.numbered(first, len(episode), size)
            for field, size in (("rgb_static", 200), ("rgb_gripper", 84))
        }
        found.append(replace(episode, **pictures))
        first += len(episode)
    return found


@pytest.mark.parametrize("name", ["pictures", "films"])
def test_what_lerobot_wrote_is_read_frame_by_frame(name: str) -> None:
    split = open_split(DATA / name, TRAINING, NONE)
    episodes = shown()
    for demonstration, made in zip(split.demonstrations, episodes, strict=True):
        read = split.read(demonstration)
        assert (read.task, read.instruction, len(read)) == (made.task, made.instruction, len(made))
        for field in ARRAYS[name][2:]:
            np.testing.assert_array_equal(getattr(read, field), getattr(made, field))
        for field in ("rgb_static", "rgb_gripper"):
            if name == "pictures":
                np.testing.assert_array_equal(getattr(read, field), getattr(made, field))
                continue
            every = np.concatenate([getattr(e, field) for e in episodes]).astype(np.int16)
            first = sum(len(e) for e in episodes[: demonstration.index])
            for place, picture in enumerate(getattr(read, field), first):
                assert int(np.argmin(np.abs(every - picture).mean(axis=(1, 2, 3)))) == place


@pytest.mark.parametrize(("name", "form"), [("pictures", "v3.0 png float32"), ("films", "v3.0 film float32")])
def test_what_baton_writes_has_the_form_of_it(tmp_path: Path, name: str, form: str) -> None:
    """info.json, columns and their types, and those of the lists; Baton's have more of their own."""
    source = opened_source(DATA / name, NONE, False)
    list(conversion.convert(source, target_of(source, form), tmp_path / "ours"))
    theirs, ours = (
        json.loads((root / "meta" / "info.json").read_text()) for root in (DATA / name, tmp_path / "ours")
    )
    assert ours.keys() == theirs.keys()
    assert {n: v for n, v in ours.items() if n != "features"} == {
        n: v for n, v in theirs.items() if n != "features"
    }
    made = {"pictures": set(), "films": {"action"}}[name]  # of the absolute ones
    assert ours["features"].keys() - theirs["features"].keys() == made
    for column, feature in theirs["features"].items():
        assert ours["features"][column] == feature, column
    for file in (
        "data/chunk-000/file-000.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/tasks.parquet",
    ):
        of_theirs, of_ours = (pq.read_schema(root / file) for root in (DATA / name, tmp_path / "ours"))
        more = set(of_ours.names) - set(of_theirs.names)
        of_list = {column for column in more if column.startswith("stats/action/")} | {
            "split",
            "scene",
            "first_frame",
        }
        assert more == (of_list if "episodes" in file else set() if "tasks" in file else made)
        for column in of_theirs.names:
            assert _plain(of_ours.field(column).type) == _plain(of_theirs.field(column).type), column
    if name == "films":
        return
    stats = [
        json.loads((root / "meta" / "stats.json").read_text()) for root in (DATA / name, tmp_path / "ours")
    ]
    assert stats[0].keys() == stats[1].keys()
    for column, statistics in stats[0].items():
        assert statistics.keys() == stats[1][column].keys()
        for what in ("min", "max", "mean"):
            if not column.startswith("observation.images"):
                np.testing.assert_allclose(stats[1][column][what], statistics[what], rtol=1e-5, atol=1e-6)


def _plain(kind: object) -> str:
    """Without names of a list's values, its text in 32 or 64 bits, and whole numbers that statistics have as floats."""
    text = str(kind).replace("large_string", "string").replace("element: ", "").replace("item: ", "")
    return text.replace("int64", "double") if text.startswith("list") else text
