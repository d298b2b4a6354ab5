"""Plans over recorded data: known by content, checked before anything is queued, pretrained on others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.experiments.reconvla.plans import changed, kept, keys, of_kind, plan


def test_recorded_data_are_known_by_content_and_not_by_place(tmp_path: Path) -> None:
    def dataset(name: str, seed: int) -> Path:
        write_split(tmp_path / name, "training", [make_episode(100, 4, seed=seed)])
        write_split(tmp_path / name, "validation", [make_episode(300, 4, split="validation")])
        return tmp_path / name

    first, copy, other = (plan(data__root=str(dataset(*entry))) for entry in (("a", 0), ("b", 0), ("c", 1)))
    assert kept(first, copy) == {"ingest", "gaze", "index", "train", "evaluate", "attention", "reconstruct"}
    assert "train" in changed(first, other)
    assert len(keys(first)["ingest"] & keys(other)["ingest"]) == 1, "the validation split is the same"


def test_a_report_is_told_of_a_validation_that_is_trained_on(tmp_path: Path) -> None:
    write_split(tmp_path / "a", "training", [make_episode(100, 4), make_episode(200, 4, seed=1)])
    write_split(tmp_path / "a", "validation", [make_episode(100, 4, split="validation")])
    write_split(tmp_path / "b", "training", [make_episode(100, 4, seed=2)])
    write_split(tmp_path / "b", "validation", [make_episode(300, 4, split="validation")])

    def told(arm: object = "recon", **entries: str) -> dict[str, object]:
        arms = (arm,) if isinstance(arm, str) else arm
        planned = plan(arms=arms, **entries)
        (report,) = (job for job in planned.jobs if job.kind == "report")
        found = {name: value for name, value in report.spec.items() if name != "ablation"}
        warned = [one.split("validation: ")[0] for one in planned.warnings if "not of held-out data" in one]
        of_rows = found.get("not_held_out_of") or {}
        own = [""] if "not_held_out" in found else []
        assert warned == [*own, *(f"arms.{name}: " for name in of_rows)], "and so is who plans it"
        return found

    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert told(data__root=a) == {"not_held_out": 1}
    assert told(data__root=b) == {}
    assert told(data__root=b, data__pretraining_root=a) == {}, "nobody reads it"
    assert told("recon_pretrain", data__root=b, data__pretraining_root=a) == {"not_held_out": 1}
    on_a = {"base": "recon", "judged": "own", "set": {"data.root": a}}
    assert told({"recon": None, "on_a": on_a}, data__root=b) == {
        "not_held_out": 1,
        "not_held_out_of": {"on_a": 1},
    }
    assert told({"recon": None, "on_a": {**on_a, "judged": "base"}}, data__root=b) == {"not_held_out": 1}


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[[str, int], str]:
    """Writes a dataset of one demonstration a split."""

    def write(name: str, seed: int) -> str:
        write_split(tmp_path / name, "training", [make_episode(100, 4, seed=seed)])
        write_split(tmp_path / name, "validation", [make_episode(300, 4, split="validation")])
        return str(tmp_path / name)

    return write


def test_recorded_data_are_pretrained_on_themselves_unless_other_data_are_named(
    dataset: Callable[[str, int], str],
) -> None:
    """And never on what the built-in simulator makes."""
    here, other = dataset("here", 0), dataset("other", 1)
    arms = ("recon", "recon_pretrain")
    alone = plan(arms=arms, data__root=here)
    named = plan(arms=arms, data__root=here, data__pretraining_root=other)
    assert {job.spec["source"] for job in (*of_kind(alone, "ingest"), *of_kind(named, "ingest"))} == {
        "calvin"
    }
    (pretrain,) = of_kind(alone, "pretrain")
    assert pretrain.label == "pretrain seed 0 on the training data"
    training_index = {need.key for need in of_kind(alone, "train")[0].needs if need.role == "index"}
    assert {need.key for need in pretrain.needs if need.role == "index"} == training_index
    assert len(of_kind(alone, "ingest")) == 2, "the training split is ingested once"

    (elsewhere,) = of_kind(named, "pretrain")
    assert elsewhere.label == "pretrain seed 0"
    (index,) = [job for job in of_kind(named, "index") if job.label == "index pretraining"]
    assert {need.key for need in elsewhere.needs if need.role == "index"} == {index.key}
    ingested = {job.label: job.spec for job in of_kind(named, "ingest")}
    assert ingested["ingest pretraining 0-0"]["root"] == other
    assert ingested["ingest pretraining 0-0"]["split"] == "training"
    assert {spec["root"] for label, spec in ingested.items() if "pretraining" not in label} == {here}


def test_recorded_data_can_be_pretrained_on_before_the_built_in_simulator(
    dataset: Callable[[str, int], str],
) -> None:
    mixed = plan(arms=("recon_pretrain",), data__pretraining_root=dataset("there", 0))
    sources = {job.label.split()[1]: job.spec["source"] for job in of_kind(mixed, "ingest")}
    assert sources == {"training": "playtable", "validation": "playtable", "pretraining": "calvin"}


@pytest.mark.parametrize("key", ["data.root", "data.validation_root", "data.pretraining_root"])
def test_an_arm_whose_data_are_of_another_robot_is_named(
    key: str, dataset: Callable[[str, int], str]
) -> None:
    here, other = dataset("here", 0), dataset("other", 1)
    for file in Path(other).rglob("episode_*.npz"):
        with np.load(file) as frame:
            np.savez(file, **{**frame, "robot_obs": np.zeros(14)})
    arm = {"base": "recon_pretrain", "judged": "own", "set": {key: other}}
    with pytest.raises(DatasetError, match=r"^arms\.mine: .*: robot_obs has shape \(14,\), not \(15,\)\.$"):
        plan(arms={"recon": None, "mine": arm}, data__root=here)


def recorded_without(tmp_path: Path, spoil: Callable[[Path], None]) -> str:
    """A dataset whose demonstrations open the drawer, spoilt in its validation split."""
    boxes = tuple({"drawer_handle": (20, 30, 60, 70)} for _ in range(4))
    write_split(tmp_path, "training", [make_episode(100, 4, boxes=boxes)])
    write_split(tmp_path, "validation", [make_episode(300, 4, split="validation", boxes=boxes)])
    spoil(tmp_path / "validation" / "boxes.json")
    return str(tmp_path)


def test_the_oracle_is_planned_where_there_are_true_boxes(tmp_path: Path) -> None:
    root = recorded_without(tmp_path, lambda _file: None)
    assert plan("gaze.detector=oracle", data__root=root).jobs


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda file: file.unlink(), "boxes.json is missing: detector 'oracle'"),
        (
            lambda file: file.write_text(file.read_text().replace("handle", "knob")),
            "frame 300 .*drawer_handle",
        ),
        (
            lambda file: file.write_text("knob".join(file.read_text().rsplit("handle", 1))),
            "frame 303 .*drawer_handle",
        ),
        (lambda file: file.write_text(file.read_text()[:40]), "is not a file of boxes"),
    ],
    ids=["no file", "no entry", "not in all frames", "half a file"],
)
def test_without_true_boxes_the_oracle_is_refused_before_anything_is_queued(
    tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    root = recorded_without(tmp_path, spoil)
    with pytest.raises(DatasetError, match=sentence) as raised:
        plan("gaze.detector=oracle", data__root=root)
    assert str(tmp_path / "validation") in str(raised.value) and "\n" not in str(raised.value)
