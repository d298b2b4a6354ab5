"""`checkpoint export`: final weights out of a home; `status` and `artifacts --final`, which name them."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

import cli
from commands.named_checkpoint import Checkpoint
from db import jobs, plans
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan, RunRef
from db.states import SUCCEEDED
from db.store import ArtifactStore
from policies.registry import ReconVLAFolder, open_policy
from settings.home import Home
from tests.models.test_export import trained
from tests.policies.test_reconvla import query
from tests.support import NOW, artifacts_of_job, planned, row, start, stored, worker
from tests.training import model_spec, training_spec

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def weights(home: Home, database: Database, store: ArtifactStore, tmp_path: Path) -> str:
    """An ablation of which `recon seed 0` is trained to its end and judged in bf16, `recon seed 1` is not, and `chance`
    is a policy. Returns the digest of the weights."""
    spec = {**training_spec(steps=3), "drawn_by": "tiny", "drawn_basis": None}
    judged = {"mode": "open_loop", "model": spec["model"], "threads": 1, "precision": "bf16"}
    recon, other, chance = RunRef("recon", 0), RunRef("recon", 1), RunRef("chance", 0)
    jobs_of_it = [
        planned("train recon seed 0", kind="train", spec=spec, target_steps=3, runs=[recon]),
        planned("train recon seed 1", kind="train", spec={**spec, "seed": 1}, target_steps=3, runs=[other]),
        planned("judge", ["train recon seed 0"], kind="evaluate", spec=judged, runs=[recon]),
        planned("evaluate chance", kind="evaluate", spec=judged, runs=[chance]),
    ]
    training = {recon: "train recon seed 0", other: "train recon seed 1", chance: "evaluate chance"}
    plans.submit(database, Plan("key", "demo", {}, jobs_of_it, training), "submit", NOW)
    file = trained(model_spec(spec), tmp_path / "trained.safetensors")
    claim = start(database, "train recon seed 0", worker(database))
    with store.publication():
        on_the_way = stored(store, tmp_path, "optimizer", b"moments", final=False)
        jobs.publish(database, claim, 1, [on_the_way], [], jobs.Seconds(), NOW)
        final = stored(store, tmp_path, "weights", file.read_bytes())
        jobs.succeed(database, claim, Ending(SUCCEEDED, 3, artifacts=[final]), NOW)
    return final.sha256


def run(home: Home, capsys: Capture, *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), *map(str, words)]) == code
    output = capsys.readouterr()
    return output.out if code == 0 else output.err


def export(home: Home, capsys: Capture, *words: object, code: int = 0) -> str:
    return run(home, capsys, "checkpoint", "export", *words, code=code)


def test_an_exported_folder_acts_as_the_runs_own_weights(
    home: Home, database: Database, store: ArtifactStore, weights: str, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "deep" / "folder"
    document: dict[str, Any] = json.loads(export(home, capsys, "recon", 0, folder, "--json"))
    assert (document["arm"], document["seed"], document["step"]) == ("recon", 0, 3)
    assert document["weights"] == {"sha256": weights, "precision": "fp32"}
    assert document["judged_in"] == "bf16"
    assert document["evaluate"].endswith(f"evaluate {folder} --precision bf16")
    assert document["identity"] == Checkpoint(folder).identity()
    (fact,) = [a for a in artifacts_of_job(database, row(database, "train recon seed 0").id) if a.final]
    own = Checkpoint(store.path(fact.path), model_spec(training_spec(steps=1)), weights)
    asked = [query(number) for number in range(3)]
    home_policy = open_policy(own.policy("auto", 2, "colour", False))
    policy = open_policy(ReconVLAFolder(str(folder), batch=2))
    expected = home_policy.predict(asked)
    assert len({chunk.tobytes() for chunk in expected}) == 3
    for one, other in zip(expected, policy.predict(asked), strict=True):
        assert one.tolist() == other.tolist()
    assert policy.counts == home_policy.counts
    told = export(home, capsys, "recon ", 0, tmp_path / "again", "--ablation", "demo ")
    for number, words in enumerate((["recon seed 0"], ["recon", "seed", "0"], ["demo recon seed 0"])):
        assert "recon seed 0 of demo after 3 steps" in export(
            home, capsys, *words, tmp_path / f"named{number}"
        )
    refused = export(home, capsys, "recon", tmp_path / "none", code=2)
    assert "'recon' is no run: an arm and a seed" in refused
    assert "recon seed 0 of demo after 3 steps, weights in fp32\nit is a toy: " in told
    same = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    assert same == [(path.name, path.read_bytes()) for path in sorted((tmp_path / "again").iterdir())]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("recn", 0), "no arm 'recn' (did you mean 'recon'?) in ablation demo (1); its arms: recon, chance"),
        (("recon", 5), "no seed 5 of recon in ablation demo (1); its seeds: 0, 1"),
        (("recon", "x"), "'recon x' is no run: an arm and a seed"),
        (("recon", 1), "recon seed 1 of ablation demo (1) is not trained to its end: train recon seed 1 is queued"),
        (("chance", 0), "'chance' of ablation demo (1) is a policy, which is judged and not trained here"),
        (("recon", 0, "--ablation", "demmo"), "no ablation 'demmo' (did you mean 'demo'?) in "),
        (("recon", 0, "--ablation", "7"), "there are: demo (1)"),
    ],
)  # fmt: skip
def test_what_is_unknown_or_unfinished_is_told_with_what_there_is(
    home: Home, weights: str, tmp_path: Path, capsys: Capture, words: tuple[object, ...], sentence: str
) -> None:
    arm, seed, *options = words
    assert sentence in export(home, capsys, arm, seed, tmp_path / "folder", *options, code=2)
    assert not (tmp_path / "folder").exists()


def test_an_arm_of_another_ablation_is_pointed_to(
    home: Home, database: Database, weights: str, tmp_path: Path, capsys: Capture
) -> None:
    newer = planned("train baseline", kind="train", spec=training_spec(steps=1), runs=[RunRef("baseline", 0)])
    plans.submit(
        database, Plan("two", "newer", {}, [newer], {RunRef("baseline", 0): "train baseline"}), "s", NOW
    )
    told = export(home, capsys, "recon", 0, tmp_path / "folder", code=2)
    assert "in ablation newer (2); its arms: baseline; ablation demo (1) has it: --ablation 1" in told
    export(home, capsys, "recon", 0, tmp_path / "folder", "--ablation", 1)


def test_a_place_that_is_taken_is_left_as_it_was(
    home: Home, weights: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "mine").write_text("mine")
    file.write_text("mine")
    for taken in (full, file):
        assert f"{taken} is there already and no empty folder" in export(
            home, capsys, "recon", 0, taken, code=2
        )
    assert "cannot be made: Not a directory" in export(home, capsys, "recon", 0, file / "below", code=2)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("models.export.write", fails)
    assert (
        cli.main(["--home", str(home.root), "checkpoint", "export", "recon", "0", str(tmp_path / "new")]) != 0
    )
    assert sorted(tmp_path.iterdir()) == before and [path.name for path in full.iterdir()] == ["mine"]


def fails(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_damaged_weights_are_not_exported(
    home: Home, store: ArtifactStore, weights: str, tmp_path: Path, capsys: Capture
) -> None:
    listed = json.loads(run(home, capsys, "artifacts", "--final", "--json"))
    (entry,) = [entry for entry in listed if entry["sha256"] == weights]
    (home.root / entry["path"]).unlink()
    assert "is missing" in export(home, capsys, "recon", 0, tmp_path / "folder", code=1)
    assert not (tmp_path / "folder").exists()


def test_a_home_without_any_ablation(tmp_path: Path, home: Home, database: Database, capsys: Capture) -> None:
    assert "no ablation was submitted" in export(home, capsys, "recon", 0, tmp_path / "folder", code=2)


def test_status_and_artifacts_name_final_weights(
    home: Home, database: Database, store: ArtifactStore, weights: str, tmp_path: Path, capsys: Capture
) -> None:
    (ablation,) = json.loads(run(home, capsys, "status", "--json"))["ablations"]
    named = {(entry["arm"], entry["seed"]): entry["final_weights"] for entry in ablation["runs"]}
    assert named["recon", 1] is None and named["chance", 0] is None
    assert named["recon", 0]["sha256"] == weights
    assert (home.root / named["recon", 0]["path"]).is_file()
    told = run(home, capsys, "status")
    (line,) = [line for line in told.splitlines() if weights in line]
    assert line.split() == ["recon", "0", weights[:12], named["recon", 0]["path"]]
    claim = start(database, "judge", worker(database, "other"))
    with store.publication():
        made = [stored(store, tmp_path, kind, kind.encode(), kind=kind) for kind in ("evaluation", "gaze")]
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=made), NOW)
    every = json.loads(run(home, capsys, "artifacts", "--json"))
    final = json.loads(run(home, capsys, "artifacts", "--final", "--json"))
    assert [entry["name"] for entry in every] == ["optimizer", "weights", "evaluation", "gaze"]
    assert [entry["name"] for entry in final] == ["weights", "evaluation"]
