"""Plans over LeRobot sets: nothing is trained on what is judged, and jobs read what was planned."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calvin.episode_file import load_episode
from db.plans import Plan
from errors import ConfigError, DatasetError
from tasks.context import Finished
from tasks.data import ingest
from tests.calvin import lerobot_sets as sets
from tests.experiments.reconvla.plans import changed, of_kind, plan
from tests.support import REPOSITORY
from tests.tasks.fake_context import FakeContext


@pytest.fixture
def root(tmp_path: Path) -> str:
    shown = [*sets.episodes(4), *sets.episodes(2, 50, sets.HELD_OUT)]
    return str(sets.write_v2(tmp_path / "set", shown))


def instructions(planned: Plan, split: str, folder: Path) -> list[str]:
    """What the ingest jobs of a split really read."""
    found = []
    for number, job in enumerate(job for job in of_kind(planned, "ingest") if job.spec["split"] == split):
        context = FakeContext(folder / f"{split} {number}", dict(job.spec))
        assert isinstance(ingest.run(context), Finished)
        found += [load_episode(file.path).instruction for file in context.published]
    return found


def test_nothing_is_trained_on_what_is_judged(root: str, tmp_path: Path) -> None:
    planned = plan(arms=("recon",), data__root=root)
    trained = instructions(planned, "training", tmp_path)
    judged = instructions(planned, "validation", tmp_path)
    assert sorted(trained) == sorted(phrase for _, phrase in sets.TRAINED)
    assert sorted(judged) == sorted(phrase for _, phrase in sets.HELD_OUT)
    (report,) = of_kind(planned, "report")
    (left_out,) = report.spec["left_out"]["training"]
    assert "2 demonstrations are of the validation" in left_out
    assert "not_held_out" not in report.spec


def test_without_marks_it_is_refused_until_it_is_told(tmp_path: Path) -> None:
    root = str(sets.write_v3(tmp_path / "set", sets.episodes(5), pictures="films"))
    with pytest.raises(DatasetError, match=r"data\.validation_episodes .*data\.validation_root"):
        plan(arms=("recon",), data__root=root)
    named = plan(arms=("recon",), data__root=root, data__validation_episodes="3-4")
    assert len(instructions(named, "training", tmp_path / "a")) == 3
    assert len(instructions(named, "validation", tmp_path / "a")) == 2
    (train,) = of_kind(named, "train")
    assert train.spec["losses"] == "h264 yuv420p"
    none = plan(arms=("recon",), data__root=root, data__validation_episodes="none")
    assert len(instructions(none, "training", tmp_path / "b")) == 5
    (report,) = of_kind(none, "report")
    assert report.spec["not_held_out"] == 5


def test_a_validation_set_is_judged_on_and_not_trained_on(root: str, tmp_path: Path) -> None:
    other = [sets.recorded(1, 6, sets.TRAINED[1]), sets.recorded(80, 6, sets.HELD_OUT[0])]
    validation = str(sets.write_v2(tmp_path / "validation", other))
    planned = plan(arms=("recon",), data__root=root, data__validation_root=validation)
    assert {job.spec["root"] for job in of_kind(planned, "ingest") if job.spec["split"] == "validation"} == {
        validation
    }
    assert len(instructions(planned, "validation", tmp_path)) == 1, "it has marks of its own"
    marked = str(sets.write_v2(tmp_path / "unmarked", [other[0], sets.recorded(81, 6, sets.TRAINED[2])]))
    planned = plan(arms=("recon",), data__root=root, data__validation_root=marked)
    assert sorted(instructions(planned, "training", tmp_path / "b")) == sorted(
        phrase for number, (_, phrase) in enumerate(sets.TRAINED) if number != 1
    )


def test_some_episodes_are_used_and_the_others_are_said(root: str, tmp_path: Path) -> None:
    whole = plan(arms=("recon",), data__root=root)
    some = plan(arms=("recon",), data__root=root, data__episodes="0-1,close_drawer,4")
    assert sorted(instructions(some, "training", tmp_path)) == ["pull the drawer", "push the drawer"]
    assert len(instructions(some, "validation", tmp_path)) == 1
    (report,) = of_kind(some, "report")
    unused = "2 demonstrations are not among data.episodes (0-1,close_drawer,4)"
    assert report.spec["left_out"]["training"][0] == unused
    assert f"not of training: {unused}" in some.warnings
    assert "not among" not in " ".join(whole.warnings)
    assert changed(whole, some) >= {"ingest", "index", "train", "report"}
    every = plan(arms=("recon",), data__root=root, data__episodes="0-5")
    assert changed(whole, every) <= {"report"}
    with pytest.raises(ConfigError, match="episodes is of a dataset, and root names none"):
        plan(arms=("recon",), data__episodes="0")


def test_the_same_content_elsewhere_gives_the_same_jobs(root: str, tmp_path: Path) -> None:
    shown = [*sets.episodes(4), *sets.episodes(2, 50, sets.HELD_OUT)]
    there = str(sets.write_v2(tmp_path / "there", shown))
    first, second = plan(arms=("recon",), data__root=root), plan(arms=("recon",), data__root=there)
    assert changed(first, second) <= {"report"}


def test_a_changed_set_is_refused_by_the_job(root: str, tmp_path: Path) -> None:
    planned = plan(arms=("recon",), data__root=root)
    job = next(job for job in of_kind(planned, "ingest") if job.spec["split"] == "training")
    path = Path(root) / "meta" / "tasks.jsonl"
    path.write_text(path.read_text().replace("pull the drawer", "open the drawer"))
    listed = Path(root) / "meta" / "episodes.jsonl"
    listed.write_text(listed.read_text().replace("pull the drawer", "open the drawer"))
    with pytest.raises(DatasetError, match="is not the one that the ablation was planned with"):
        ingest.run(FakeContext(tmp_path / "job", dict(job.spec)))


def test_what_needs_what_a_set_lacks_is_refused_by_name(root: str) -> None:
    with pytest.raises(DatasetError, match=r"boxes\.json is missing: detector 'oracle'"):
        plan("gaze.detector=oracle", arms=("recon",), data__root=root)


def test_what_is_said_of_no_dataset_is_refused() -> None:
    with pytest.raises(ConfigError, match="validation_episodes is of a dataset, and root names none"):
        plan(arms=("recon",), data__validation_episodes="none")


def test_planning_other_data_loads_no_reader_of_lerobot_sets() -> None:
    code = (
        "import sys, json\n"
        "from experiments.reconvla.named_config import load_config\n"
        "from experiments.reconvla.planner import Planner\n"
        "Planner(load_config('smoke', None, ())).plan()\n"
        "print(json.dumps(sorted({'pyarrow', 'av', 'lerobot'} & sys.modules.keys())))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout) == []
