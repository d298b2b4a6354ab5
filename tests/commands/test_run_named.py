"""`evaluate recon seed 0`: a run of the home by its name, judged as its own ablation judges it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import cli
from commands.model_options import is_run
from commands.named_checkpoint import find_named
from commands.own_protocol import own_protocol
from db import jobs, members, plans
from db.checkpoints import find_weights
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan, RunRef
from db.states import SUCCEEDED
from db.store import ArtifactStore
from errors import InvalidInput
from settings.home import Home
from tasks.registry import EVALUATE
from tests.job_specs import spec_of
from tests.models.test_export import trained
from tests.support import NOW, planned, start, stored, worker
from tests.training import model_spec, training_spec

PHRASES = {"open_drawer": "pull", "close_drawer": "push"}
SHARD = spec_of(
    "evaluate", mode="closed_loop", tasks=["open_drawer", "close_drawer"], drawn=7, order="distinct", max_steps=33,
    scene="B", policy_batch=3, threads=2, precision="bf16", instructions=PHRASES,
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("recon sed 0", "recon seed 0"),
        ("recon 0", "recon seed 0"),
        ("Recon seed0", "recon seed 0"),
        ("recon seed O", "recon seed 0"),
        ("1 recon sed 1", "1 recon seed 1"),
        ("older recon sed 1", "older recon seed 1"),
        ("nowhere", None),
    ],
)
@pytest.mark.parametrize(
    "command", [["evaluate"], ["attention"], ["serve"], ["evaluate", "expert", "--against"]]
)
def test_a_run_that_is_nearly_called_so_is_suggested(
    command: list[str],
    said: str,
    meant: str | None,
    home: Home,
    database: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, seed in (("older", 1), ("newer", 0)):
        train, run = planned(f"train {name}", kind="train"), RunRef("recon", seed)
        plans.submit(database, Plan(name, name, {}, [train], {run: train.key}), "submit", NOW)
    assert cli.main(["--home", str(home.root), *command, said]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"; did you mean '{meant}'?" if meant else ": 'recon seed 0'")


def test_an_export_suggests_the_run_too(
    home: Home, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, run = planned("train", kind="train"), RunRef("recon", 0)
    plans.submit(database, Plan("mine", "mine", {}, [train], {run: train.key}), "submit", NOW)
    for said, meant in (
        ("recon seed O", "; did you mean 'recon seed 0'?"),
        ("recon sed 0", "mean 'recon'?)"),
    ):
        words = ["checkpoint", "export", said, str(tmp_path / "out")]
        assert cli.main(["--home", str(home.root), *words]) == 2
        assert meant in capsys.readouterr().err


@pytest.fixture
def weights(home: Home, database: Database, store: ArtifactStore, tmp_path: Path) -> str:
    spec = {**training_spec(steps=3), "drawn_by": "tiny", "drawn_basis": None}
    recon, spaced = RunRef("recon", 0), RunRef("+ weight 10", 0)
    shards = [{**SHARD, "model": spec["model"], "first": first, "last": first + 2} for first in (0, 2)]
    jobs_of_it = [
        planned("train recon seed 0", kind="train", spec=spec, target_steps=3, runs=[recon, spaced]),
        *(
            planned(f"e{n}", ["train recon seed 0"], kind="evaluate", spec=s, runs=[recon, spaced])
            for n, s in enumerate(shards)
        ),
    ]
    plans.submit(
        database,
        Plan("key", "demo one", {}, jobs_of_it, {recon: "train recon seed 0", spaced: "train recon seed 0"}),
        "submit",
        NOW,
    )
    file = trained(model_spec(spec), tmp_path / "trained.safetensors")
    claim = start(database, "train recon seed 0", worker(database))
    final = stored(store, tmp_path, "weights", file.read_bytes(), final=True)
    jobs.succeed(database, claim, Ending(SUCCEEDED, 3, artifacts=[final]), NOW)
    return final.sha256


@pytest.mark.parametrize(
    "name",
    [
        "recon seed 0",
        "demo one recon seed 0",
        "1 recon seed 0",
        " demo  one recon seed 0 ",
        "+ weight 10 seed 0",
        "demo one + weight 10 seed 0",
        "1 + weight  10 seed 0",
    ],
)
def test_a_run_is_its_final_weights(name: str, home: Home, weights: str) -> None:
    found = find_named(home, name)
    assert (found.identity(), found.drawn_by) == (weights, "tiny")
    assert found.protocol is not None and found.protocol.sequences == 4


def test_words_that_mean_two_runs_are_refused(home: Home, database: Database, weights: str) -> None:
    other = planned("train other", kind="train", spec=training_spec(steps=1), runs=[RunRef("10", 0)])
    plan = Plan("two", "+ weight", {}, [other], {RunRef("10", 0): "train other"})
    plans.submit(database, plan, "submit", NOW)
    assert find_named(home, "1 + weight 10 seed 0").sha256 == weights
    more = planned("train more", kind="train", spec=training_spec(steps=1), runs=[RunRef("+ weight 10", 0)])
    plans.submit(database, Plan("three", "c", {}, [more], {RunRef("+ weight 10", 0): "train more"}), "s", NOW)
    says = (
        r"may be '10' of '\+ weight' or '\+ weight 10' of the newest ablation; write the ablation's id before"
    )
    with pytest.raises(InvalidInput, match=says):
        find_named(home, "+ weight 10 seed 0")


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (["recon", "seed", "0"], {}),
        (["recon seed 0"], {}),
        (["recon", "seed", "0", "--scene", "D"], {"scene": "D"}),
        (["recon", "seed", "0", "--max-steps", "5", "--batch", "4"], {"max_steps": 5}),
        (["recon", "seed", "0", "--sequences", "2"], {"sequences": 2}),
        (["recon", "seed", "0", "--sequences", "7"], {"sequences": 7}),
        (["recon", "seed", "0", "--sequences", "9", "--protocol", "calvin"],
         {"sequences": 9, "tasks": (), "drawn": 1000, "order": "drawn", "instructions": None, "max_steps": 360}),
        (["recon", "seed", "0", "--protocol", "reconvla-500"],
         {"sequences": 500, "tasks": (), "drawn": 1000, "order": "drawn", "instructions": None, "max_steps": 360}),
    ],
)  # fmt: skip
def test_the_ablations_own_protocol_counts_unless_told_otherwise(
    words: list[str], differs: dict[str, Any], home: Home, weights: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked: list[dict[str, Any]] = []

    def evaluate_alone(
        policy: object, spec: Any, sequences: int, *_: object, **__: object
    ) -> dict[str, object]:
        asked.append({**vars(spec), "sequences": sequences})
        return {}

    monkeypatch.setattr("tasks.evaluate.alone.evaluate_alone", evaluate_alone)
    assert cli.main(["--home", str(home.root), "evaluate", *words, "--json"]) == 0
    own = {"sequences": 4, "tasks": ("open_drawer", "close_drawer"), "drawn": 7, "order": "distinct", "scene": "B",
           "instructions": PHRASES, "max_steps": 33}  # fmt: skip
    assert {name: asked[0][name] for name in own} == own | differs
    err = capsys.readouterr().err
    assert "judged as ablation demo one (1) judges it" in err
    assert ("but for what was given here" in err) == bool(differs)


def test_more_sequences_than_its_list_has_are_refused(
    home: Home, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--home", str(home.root), "evaluate", "recon", "seed", "0", "--sequences", "8"]
    assert cli.main(words) == 2
    assert "--sequences: its ablation's list has 7, not 8" in capsys.readouterr().err


def test_an_ablation_without_closed_loop_has_no_protocol() -> None:
    spec = EVALUATE.spec_of(spec_of("evaluate"))
    assert own_protocol("x", [spec, object()]) is None


@pytest.mark.parametrize("command", ["evaluate", "serve", "attention"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recno", "seed", "0"], "did you mean 'recon'?"),
        (["recon", "seed", "5"], "its seeds: 0"),
        (["recon"], "no folder"),
    ],
)
def test_what_is_no_run_is_told_by_every_command(
    command: str, words: list[str], said: str, home: Home, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--home", str(home.root), command, *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "serve", "attention"])
def test_a_folder_that_is_not_there_is_told_with_the_one_beside_it(
    command: str, home: Home, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "exported").mkdir()
    assert cli.main(["--home", str(home.root), command, str(tmp_path / "exprted")]) == 2
    assert capsys.readouterr().err.endswith(f"; did you mean {tmp_path / 'exported'}?\n")


def test_a_folder_that_is_called_so_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_run("recon seed 0") and not is_run("recon") and not is_run("seed 0")
    Path("recon seed 0").mkdir()
    assert not is_run("recon seed 0")


def test_a_run_of_another_ablation_is_pointed_to_in_words_that_work(
    home: Home, database: Database, weights: str
) -> None:
    """Commands that take a run by its words have no option for its ablation."""
    newer = planned("train x", kind="train", spec=training_spec(steps=1), runs=[RunRef("baseline", 0)])
    plans.submit(database, Plan("two", "newer", {}, [newer], {RunRef("baseline", 0): "train x"}), "s", NOW)
    with pytest.raises(InvalidInput) as told:
        find_named(home, "recon seed 0")
    hint = str(told.value).partition("has it: ")[2]
    assert hint == "'1 recon seed 0'"
    (words,) = shlex.split(hint)
    assert find_named(home, words).sha256 == weights


def submit_newer(database: Database, *refs: RunRef) -> None:
    """An ablation `newer` (2) with runs that nobody trained."""
    newer = [
        planned(f"newer {ref.arm} {ref.seed}", kind="train", spec=training_spec(steps=1), runs=[ref])
        for ref in refs
    ]
    runs = {ref: job.key for ref, job in zip(refs, newer)}
    plans.submit(database, Plan("two", "newer", {}, newer, runs), "s", NOW)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("recon seed 0", "ablation demo one (1) has it: '1 recon seed 0'"),
        ("newer recon seed 0", "ablation demo one (1) has it: '1 recon seed 0'"),
        ("recno seed 0", "did you mean 'recon' of ablation demo one (1): '1 recon seed 0'"),
        ("2 recno seed 0", "did you mean 'recon' of ablation demo one (1): '1 recon seed 0'"),
        ("+ weight 10 seed 0", "ablation demo one (1) has it: '1 + weight 10 seed 0'"),
        ("+ wieght 10 seed 0", "did you mean '+ weight 10' of ablation demo one (1): '1 + weight 10 seed 0'"),
        ("recon seed 7", None),
        ("recno seed 7", None),
        ("baseline seed 1", None),
    ],
)
def test_a_run_is_hinted_where_it_is_trained_with_that_seed_alone(
    name: str, hint: str | None, home: Home, database: Database, weights: str
) -> None:
    submit_newer(database, RunRef("baseline", 0))
    later = planned(
        "later", kind="train", spec=training_spec(steps=1), runs=[RunRef("recon", 0), RunRef("recon", 7)]
    )
    runs = {RunRef("recon", 0): "later", RunRef("recon", 7): "later"}
    plans.submit(database, Plan("three", "cancelled", {}, [later], runs), "s", NOW)
    jobs.cancel(database, jobs.Target("ablation", 3, "ablation cancelled"), NOW)
    submit_newest = planned("newest", kind="train", spec=training_spec(steps=1), runs=[RunRef("own", 0)])
    plans.submit(
        database, Plan("four", "newest", {}, [submit_newest], {RunRef("own", 0): "newest"}), "s", NOW
    )
    with pytest.raises(InvalidInput) as told:
        find_named(home, name)
    if hint is None:
        assert not re.search(r"has it|did you mean", str(told.value)), told.value
        return
    assert str(told.value).endswith(f"; {hint}")
    (words,) = shlex.split(hint.rpartition(": ")[2])
    assert find_named(home, words).sha256 == weights


@pytest.mark.parametrize("seed", [0, 1])
def test_a_finished_run_is_hinted_beside_one_that_is_not(
    seed: int, home: Home, database: Database, weights: str
) -> None:
    submit_newer(database, RunRef("recon", seed))
    with pytest.raises(InvalidInput, match=r"; ablation demo one \(1\) has it: '1 recon seed 0'") as told:
        find_named(home, "recon seed 0")
    assert ("not trained to its end" if seed == 0 else "its seeds: 1") in str(told.value)


def test_weights_that_were_cleared_away_are_not_hinted(home: Home, database: Database, weights: str) -> None:
    submit_newer(database, RunRef("baseline", 0))
    (entry,) = find_weights(database, weights)
    (home.root / entry.path).unlink()
    with pytest.raises(InvalidInput, match=r"no arm 'recon' in ablation newer \(2\); its arms: baseline$"):
        find_named(home, "recon seed 0")


def test_an_export_is_told_of_an_arm_of_nearly_that_name_in_words_that_work(
    home: Home, database: Database, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit_newer(database, RunRef("baseline", 0))
    export = ["--home", str(home.root), "checkpoint", "export"]
    assert cli.main([*export, "recom", "0", str(tmp_path / "out")]) == 2
    hint = capsys.readouterr().err.strip().partition("did you mean 'recon' of ablation demo one (1): ")[2]
    assert hint == "recon 0 --ablation 1"
    assert cli.main([*export, *shlex.split(hint), str(tmp_path / "out")]) == 0


def test_a_run_that_is_not_trained_yet_is_told_with_what_trains_it(
    home: Home, database: Database, weights: str
) -> None:
    newer = planned("train x", kind="train", spec=training_spec(steps=1), runs=[RunRef("baseline", 0)])
    plans.submit(database, Plan("two", "newer", {}, [newer], {RunRef("baseline", 0): "train x"}), "s", NOW)
    with pytest.raises(
        InvalidInput, match=r"not trained to its end: .*; workers are there, which take it up; "
    ):
        find_named(home, "baseline seed 0")
    for one in members.living(database):
        members.leave(database, one.id, NOW)
    with pytest.raises(InvalidInput, match=r"not trained to its end: .*; train it with: .* up --until-done$"):
        find_named(home, "baseline seed 0")
    jobs.cancel(database, jobs.Target("ablation", 2, "ablation newer"), NOW)
    with pytest.raises(InvalidInput, match=r"is cancelled at step 0 of \d+$"):
        find_named(home, "baseline seed 0")
