"""Another format of demonstrations is a module and a line of `calvin.split.FORMATS`: all else asks the door."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.episode_file import load_episode
from calvin.split import FORMATS, TRAINING, VALIDATION, check_place, open_split
from cli import main
from errors import DatasetError
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tasks.context import Finished
from tasks.data import ingest
from tests.calvin.samples import assert_same_episode, make_episode
from tests.stand_ins.shelf import write_shelf
from tests.support import REPOSITORY
from tests.tasks.fake_context import FakeContext
from tests.test_layers import imports, modules


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    formats = {"shelf": "tests.stand_ins.shelf:Shelf", **FORMATS}
    monkeypatch.setattr("calvin.split.FORMATS", formats)
    root = tmp_path / "data"
    write_shelf(root, TRAINING, [make_episode(100, seed=1), make_episode(200, seed=2)])
    write_shelf(root, VALIDATION, [make_episode(0, seed=3, split=VALIDATION)])
    return root


def test_a_demonstration_is_read(root: Path) -> None:
    split = open_split(root, TRAINING)
    assert [(d.index, d.start, d.end) for d in split.demonstrations] == [(0, 100, 105), (1, 200, 205)]
    assert_same_episode(split.read(split.demonstrations[1]), make_episode(200, seed=2))


def test_an_ablation_is_planned_and_its_demonstrations_are_ingested(root: Path, tmp_path: Path) -> None:
    plan = Planner(load_config("smoke", None, (f"data.root={root}",))).plan()
    ingested = []
    for job in (job for job in plan.jobs if job.kind == "ingest"):
        context = FakeContext(tmp_path / job.key, dict(job.spec))
        assert isinstance(ingest.run(context), Finished)
        ingested += [load_episode(file.path) for file in context.published]
    wanted = [make_episode(100, seed=1), make_episode(200, seed=2), make_episode(0, seed=3, split=VALIDATION)]
    assert len(ingested) == len(wanted)
    for episode, made in zip(sorted(ingested, key=lambda e: e.start), sorted(wanted, key=lambda e: e.start)):
        assert_same_episode(episode, made)


def test_it_is_checked_by_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(root), "--split", TRAINING]) == 0
    assert "training: 2 demonstrations" in capsys.readouterr().out


def test_what_no_format_knows_is_taken_for_calvins(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="a CALVIN folder holds training/ and validation/"):
        check_place(tmp_path / "empty", TRAINING)


def test_a_format_says_itself_what_is_missing(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"other\.shelf is missing"):
        open_split(root, "other")


def test_nobody_reaches_through_the_door() -> None:
    names = ("annotations", "check", "dataset", "downloads", "frames", "npy", "npz", "recording")
    behind = {f"calvin.{name}" for name in names}
    outside = [file for file in modules() if file.relative_to(REPOSITORY).parts[0] != "calvin"]
    assert [(file, name) for file in outside for _, name in imports(file) if name in behind] == []
