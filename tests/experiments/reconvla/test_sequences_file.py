"""An ablation that is judged on the sequences of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calvin.listed_sequences import of_line
from calvin.sequences import get_sequences
from commands.own_protocol import own_protocol
from errors import ConfigError
from experiments.reconvla.evaluation_plan import asked_tasks, closed_loop_shards
from experiments.reconvla.growth import kept_lists
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from policies.random_actions import RandomPolicy
from tasks.evaluate.loop import Evaluation
from tasks.specs import ClosedLoopSpec
from tests.experiments.reconvla.test_growth import shards_of
from tests.experiments.test_proposal import proposal, submit

OFFICIAL = get_sequences(1000)


def written(path: Path, numbers: list[int]) -> str:
    path.write_text(json.dumps([[OFFICIAL[n].initial_state, OFFICIAL[n].tasks] for n in numbers]))
    return f"evaluation.sequences_file={path}"


def config(*overrides: str) -> Any:
    return load_config("smoke", None, overrides, arms=("recon",))


def shards(*overrides: str) -> list[ClosedLoopSpec]:
    return list(closed_loop_shards(config(*overrides)))


def keys(*overrides: str) -> set[str]:
    plan = Planner(config(*overrides)).plan()
    return {job.key for job in plan.jobs if job.kind == "evaluate" and job.spec.get("policy") == "reconvla"}


def test_shards_have_the_files_sequences(tmp_path: Path) -> None:
    numbers = [7, 3, 7, 900]
    found = shards(
        written(tmp_path / "list.json", numbers), "evaluation.sequences=4", "evaluation.sequences_per_shard=3"
    )
    played: list[Any] = []
    for shard in found:
        evaluation = Evaluation(shard, RandomPolicy(0), range(shard.first, shard.last))
        played += [chain for _, chain in evaluation.todo]
        assert evaluation.contents(range(shard.first, shard.last)) == shard.contents
    assert played == [OFFICIAL[n] for n in numbers]
    contents = [one for shard in found for one in shard.contents or ()]
    assert len(set(contents)) == 4  # the copy is another sequence
    whole = own_protocol("mine", reversed(found))
    assert whole is not None and whole.sequences == 4 and len(whole.spec.listed or ()) == 4
    assert [of_line(line)[0] for line in whole.spec.listed or ()] == played


def test_equal_sequences_are_equal_work_whatever_they_are_from(tmp_path: Path) -> None:
    file = written(tmp_path / "list.json", list(range(4)))
    one = ("evaluation.sequences=4", "data.tasks=[]", "evaluation.sequences_per_shard=4")
    assert keys(*one, file) == keys(*one)
    assert not keys(*one, written(tmp_path / "list.json", [0, 1, 2, 4])) & keys(*one)


def test_a_list_goes_on_where_an_ablation_grows(tmp_path: Path) -> None:
    file = written(tmp_path / "list.json", list(range(6)))
    few = Planner(config(file, "evaluation.sequences=2")).plan()
    many = config(file, "evaluation.sequences=5")
    there = kept_lists(many, shards_of(few))
    grown = Planner(many, sequences_in=there).plan()
    assert {job.key for job in few.jobs if job.kind == "evaluate"} <= {job.key for job in grown.jobs}


def test_only_the_files_tasks_are_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path / "list.json", [0])
    assert set(asked_tasks(config(file))) == set(OFFICIAL[0].tasks)
    phrases = tmp_path / "words.yaml"
    phrases.write_text("".join(f"{task}: [do {task}]\n" for task in OFFICIAL[0].tasks))
    (shard,) = shards(file, "evaluation.sequences=1", f"evaluation.instructions={phrases}")
    assert shard.instructions == {task: f"do {task}" for task in sorted(OFFICIAL[0].tasks)}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["evaluation.sequences=3"], r"evaluation\.sequences: .*list\.json has 2, not 3"),
        (
            ["evaluation.protocol=calvin", "data.tasks=[]"],
            r"evaluation\.sequences_file: calvin has its own sequences",
        ),
    ],
)
def test_what_contradicts_is_named(tmp_path: Path, overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        shards(written(tmp_path / "list.json", [0, 1]), *overrides)


def test_a_list_that_was_edited_is_named_and_makes_no_second_ablation(database, tmp_path: Path) -> None:
    said = ("evaluation.sequences=2", written(tmp_path / "list.json", [0, 1]))
    submit(database, *said)
    written(tmp_path / "list.json", [0, 2])
    with pytest.raises(ConfigError, match=r"what evaluation\.sequences_file names holds something else"):
        proposal(database, *said)
    written(tmp_path / "list.json", [0, 1])
    assert proposal(database, *said).new == 0
