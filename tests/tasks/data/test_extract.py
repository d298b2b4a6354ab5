"""The folders that ReconVLA's original scripts make, from a small dataset."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from calvin.annotations import read_embeddings
from calvin.dataset import open_dataset
from detectors.registry import make_detector
from errors import DatasetError, InvalidInput
from models.images import compose
from tasks.data.extract import extract
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split

EPISODE = make_episode(
    100, 6, split="validation", task="open_drawer",
    boxes=tuple({"drawer": (20, 40, 60, 90), "drawer_handle": (30, 50, 40, 60)} if t != 3 else
                {"drawer": None, "drawer_handle": None} for t in range(6)),
)  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_split(tmp_path / "data", "validation", [EPISODE])
    dataset = open_dataset(tmp_path / "data", "validation")
    counts = list(extract(dataset, tmp_path / "out", make_detector("oracle")))
    assert counts == [{"frames": 6, "crops": 5}]
    return tmp_path / "out"


def test_each_demonstration_has_its_folder(out: Path) -> None:
    folder = out / "tasks" / "validation" / "0_open_drawer"
    about = yaml.safe_load((folder / "lang_ann" / "lang_ann.yaml").read_text())
    assert about["indx"] == [100, 105]
    assert (about["ann"], about["task"]) == (EPISODE.instruction, "open_drawer")
    assert np.shape(about["emb"]) == (1, 384)
    for offset in range(6):
        picture = np.asarray(Image.open(folder / "img" / f"frame_{100 + offset:07d}.png"))
        np.testing.assert_array_equal(picture, EPISODE.rgb_static[offset])
    lines = [json.loads(line) for line in (folder / "crop" / "crop_info.jsonl").read_text().splitlines()]
    assert [line["crop_image"] is None for line in lines] == [False, False, False, True, False, False]
    left, top, right, bottom = lines[0]["coordinates"].values()
    size = Image.open(folder / "crop" / "frame_0000100.jpg").size
    assert size == (right - left, bottom - top)
    assert not (folder / "crop" / "frame_0000103.jpg").exists()


def test_items_have_the_original_form(out: Path) -> None:
    items = json.loads((out / "validation_r5.json").read_text())
    assert [item["id"].rpartition("_")[2] for item in items] == [
        f"{f:07d}" for f in (100, 101, 102, 104, 105)
    ]
    item = items[3]
    assert set(item) == {"id", "image", "image_target", "conversations", "embody"}
    asked, answered = (turn["value"] for turn in item["conversations"])
    first, image, second, state = asked.split("\n")
    assert (first, image, second) == (EPISODE.instruction, "<image>", EPISODE.instruction)
    np.testing.assert_array_equal([float(x) for x in state.split()], EPISODE.robot_obs[4])
    actions = np.reshape([float(x) for x in answered.split()], (5, 7))
    np.testing.assert_array_equal(actions[:2], EPISODE.rel_actions[4:])
    np.testing.assert_array_equal(actions[2:, :6], 0)  # no motion past the end, the gripper held
    np.testing.assert_array_equal(actions[2:, 6], EPISODE.rel_actions[5, 6])
    picture = np.asarray(Image.open(out / "vla_processed_r5" / item["image"])).astype(int)
    drawn = compose(EPISODE.rgb_static[4], EPISODE.rgb_gripper[4]).astype(int)
    assert picture.shape == (334, 334, 3)
    assert np.abs(picture - drawn).mean() < 40  # JPEG of noise
    assert (out / "vla_processed_r5" / item["image_target"]).is_file()


def test_nothing_is_written_twice(out: Path) -> None:
    dataset = open_dataset(out.parent / "data", "validation")
    with pytest.raises(InvalidInput, match="already holds an extracted validation split"):
        list(extract(dataset, out, make_detector("oracle")))


# --- broken off --------------------------------------------------------------------------------

THREE = [
    make_episode(100 + 6 * number, 6, number, split="validation", boxes=EPISODE.boxes) for number in range(3)
]

#: Dies when the given number of demonstrations is done, as a machine does that is taken away.
DYING = """
import os, signal, sys
from pathlib import Path
from calvin.dataset import open_dataset
from detectors.registry import make_detector
from tasks.data.extract import extract
data, out, done = sys.argv[1:]
for number, _ in enumerate(extract(open_dataset(Path(data), "validation"), Path(out), make_detector("oracle")), 1):
    if number == int(done):
        os.kill(os.getpid(), signal.SIGKILL)
"""


class Watched:
    """The oracle; counts the demonstrations that it was asked about and breaks down at one of them."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.asked, self._breaks_at, self._oracle = 0, breaks_at, make_detector("oracle")
        self.name, self.version = self._oracle.name, self._oracle.version

    def check(self) -> None:
        self._oracle.check()

    def detect(self, images, targets, context=None):
        self.asked += 1
        if self.asked == self._breaks_at:
            raise KeyboardInterrupt
        return self._oracle.detect(images, targets, context)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    write_split(tmp_path / "three", "validation", THREE)
    return tmp_path / "three"


def run(data: Path, out: Path, detector) -> list[dict[str, int]]:
    return list(extract(open_dataset(data, "validation"), out, detector))


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_killed_and_run_again_is_the_same_and_does_nothing_twice(three: Path, tmp_path: Path) -> None:
    counts = run(three, tmp_path / "undisturbed", Watched())
    died = subprocess.run(
        [sys.executable, "-c", DYING, three, tmp_path / "out", "2"], cwd=Path(__file__).parents[3]
    )
    assert died.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "validation_r5.json").exists()
    again = Watched()
    assert run(three, tmp_path / "out", again) == counts
    assert again.asked == 1
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")
    items = json.loads((tmp_path / "out" / "validation_r5.json").read_text())
    assert (tmp_path / "out" / "validation_r5.json").read_text() == json.dumps(items, indent=4)


def test_broken_off_within_a_demonstration(three: Path, tmp_path: Path) -> None:
    run(three, tmp_path / "undisturbed", Watched())
    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path / "out", Watched(breaks_at=2))
    run(three, tmp_path / "out", Watched())
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")


def test_other_data_do_not_continue_it(three: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path / "out", Watched(breaks_at=2))
    write_split(tmp_path / "other", "validation", THREE[:2])
    write_split(tmp_path / "changed", "validation", [make_episode(100, 6, 7, split="validation"), *THREE[1:]])
    for data in ("other", "changed"):
        with pytest.raises(
            InvalidInput, match="out holds part of a validation split of other data; name another"
        ):
            run(tmp_path / data, tmp_path / "out", Watched())


def test_another_detector_does_not_continue_it(three: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path / "out", Watched(breaks_at=2))
    with pytest.raises(InvalidInput, match=r"extracted with detector oracle .*, not colour .*; name another"):
        run(three, tmp_path / "out", make_detector("colour"))


def test_folders_without_a_record_are_left_alone(three: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path / "out", Watched(breaks_at=2))
    shutil.rmtree(tmp_path / "out" / "validation_r5.parts")
    with pytest.raises(InvalidInput, match=r"validation_r5\.parts.* is not; name another folder"):
        run(three, tmp_path / "out", Watched())


def test_a_damaged_record_is_named(three: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(three, tmp_path / "out", Watched(breaks_at=2))
    (tmp_path / "out" / "validation_r5.parts" / "0.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"0\.json is damaged; remove it"):
        run(three, tmp_path / "out", Watched())


def test_no_demonstration_with_a_region_gives_an_empty_list(tmp_path: Path) -> None:
    nothing = tuple({"drawer": None, "drawer_handle": None} for _ in range(6))
    write_split(tmp_path / "data", "validation", [make_episode(100, 6, split="validation", boxes=nothing)])
    assert run(tmp_path / "data", tmp_path / "out", Watched()) == [{"frames": 6, "crops": 0}]
    assert json.loads((tmp_path / "out" / "validation_r5.json").read_text()) == []


def test_embeddings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    boxed = np.empty((), dtype=object)
    boxed[()] = {"language": {"ann": ["a", "b"], "emb": np.zeros((3, 1, 4))}}
    np.save(tmp_path / "auto_lang_ann.npy", boxed, allow_pickle=True)
    with pytest.raises(
        DatasetError, match=r"language.emb is float64 of shape \(3, 1, 4\), not one row for each of 2"
    ):
        read_embeddings(tmp_path / "auto_lang_ann.npy")
