"""What evaluation jobs are told, and which choices make other jobs of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calvin.task_names import TASKS
from calvin.writer import write_split
from errors import ConfigError
from settings.ablation import AblationConfig, load_config
from tests.calvin.samples import make_episode
from workers.evaluation_plan import closed_loop_shards, has_closed_loop
from workers.planner import Planner


def config(*overrides: str, **direct: Any) -> AblationConfig:
    return load_config("smoke", None, overrides, arms=("recon",), **direct)


def evaluations(*overrides: str) -> set[str]:
    plan = Planner(config(*overrides)).plan()
    return {job.key for job in plan.jobs if job.kind == "evaluate" and job.spec["mode"] == "closed_loop"}


def test_shards_cover_every_sequence_once() -> None:
    shards = list(closed_loop_shards(config("evaluation.sequences=7", "evaluation.sequences_per_shard=3")))
    assert [(shard["first"], shard["last"]) for shard in shards] == [(0, 3), (3, 6), (6, 7)]
    assert {shard["drawn"] for shard in shards} == {7}


def test_a_named_protocol_decides_list_steps_and_tasks() -> None:
    named = ("data.tasks=[]", "evaluation.protocol=reconvla-500", "evaluation.sequences_per_shard=250")
    first, second = closed_loop_shards(config(*named))
    assert (second["last"], first["drawn"], first["max_steps"], first["tasks"]) == (500, 1000, 360, [])
    with pytest.raises(
        ConfigError, match=r"evaluation\.protocol: calvin has all tasks; leave data\.tasks empty"
    ):
        list(closed_loop_shards(config("evaluation.protocol=calvin")))


@pytest.mark.parametrize("change", ["simulators_per_batch=7", "parallel_simulators=true", "slice_seconds=1"])
def test_how_the_work_is_done_makes_no_other_job(change: str) -> None:
    assert evaluations(f"evaluation.{change}") == evaluations()


@pytest.mark.parametrize(
    "change", ["policy_batch=3", "max_steps=21", "assets=/somewhere", "threads=2", "renderer=egl"]
)
def test_what_may_change_results_makes_other_jobs(change: str) -> None:
    assert not evaluations(f"evaluation.{change}") & evaluations()


def test_recorded_data_need_a_simulator_and_phrases(tmp_path: Path) -> None:
    write_split(tmp_path, "training", [make_episode(100, 6)])
    write_split(
        tmp_path, "validation", [make_episode(300, 6, split="validation")],
        validation_instructions={"open_drawer": "pull"},
    )  # fmt: skip
    data = {"data": {"root": str(tmp_path)}}
    assert not has_closed_loop(config(**data))
    given = ("evaluation.assets=/somewhere", "data.tasks=[]")
    assert has_closed_loop(config(*given, **data))
    with pytest.raises(ConfigError, match="no instruction for rotate_red_block_right; name a file"):
        list(closed_loop_shards(config(*given, **data)))
    phrases = tmp_path / "phrases.yaml"
    phrases.write_text("".join(f"{task}: [do {task}]\n" for task in TASKS))
    shard = next(closed_loop_shards(config(*given, f"evaluation.instructions={phrases}", **data)))
    assert shard["instructions"]["open_drawer"] == "do open_drawer"
    assert (shard["scenes"], shard["assets"]) == ("calvin", "/somewhere")


def test_the_official_simulator_needs_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    given = config("evaluation.simulator=calvin", "evaluation.renderer=tiny")
    with pytest.raises(ConfigError, match="calvin_python: name the interpreter"):
        list(closed_loop_shards(given))
    monkeypatch.setenv("BATON_CALVIN_PYTHON", "/some/python")  # looked up where the simulator is made
    assert {shard["python"] for shard in closed_loop_shards(given)} == {None}


def test_the_renderer_is_that_of_the_frames_unless_named(tmp_path: Path) -> None:
    (made,) = closed_loop_shards(config("evaluation.sequences=1"))
    assert (made["renderer"], made["frames_renderer"]) == ("tiny", "tiny")
    (named,) = closed_loop_shards(config("evaluation.sequences=1", "evaluation.renderer=egl"))
    assert (named["renderer"], named["frames_renderer"]) == ("egl", "tiny")
    phrases = tmp_path / "phrases.yaml"
    phrases.write_text("".join(f"{task}: [do {task}]\n" for task in TASKS))
    for used, expected in (("true", "egl"), ("false", "tiny")):
        root = tmp_path / used
        write_split(root, "training", [make_episode(100, 6)])
        write_split(root, "validation", [make_episode(300, 6, split="validation")])
        (root / "training" / ".hydra").mkdir()
        (root / "training" / ".hydra" / "merged_config.yaml").write_text(f"env:\n  use_egl: {used}\n")
        given = ("evaluation.assets=/somewhere", "data.tasks=[]", f"evaluation.instructions={phrases}")
        shard = next(closed_loop_shards(config(*given, data={"root": str(root)})))
        assert shard["frames_renderer"] == expected
        assert shard["renderer"] in (expected, "tiny")
