"""What evaluation jobs are told, and which choices make other jobs of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cli
from benchmark.tasks import TASKS
from calvin.sequences import get_sequences
from errors import ConfigError, SimulatorMissing
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.evaluation_plan import closed_loop_shards
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from settings.typed_json import key_json
from tasks.evaluate.closed_loop import chains_of
from tasks.specs import ClosedLoopSpec
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.simulators.calvin_env_stand_in import make_interpreter
from tests.simulators.clone_stand_in import make_clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clone(tmp_path_factory.mktemp("assets") / "calvin_env")


def config(*overrides: str, **direct: Any) -> AblationConfig:
    return load_config("smoke", None, overrides, arms=("recon",), **direct)


def evaluations(*overrides: str) -> set[str]:
    plan = Planner(config(*overrides)).plan()
    return {job.key for job in plan.jobs if job.kind == "evaluate" and job.spec["mode"] == "closed_loop"}


def test_shards_cover_every_sequence_once() -> None:
    found = shards("evaluation.sequences=7", "evaluation.sequences_per_shard=3")
    assert [(shard.first, shard.last) for shard in found] == [(0, 3), (3, 6), (6, 7)]
    assert {shard.drawn for shard in found} == {1000}


def test_a_list_drawn_for_fewer_sequences_holds_others() -> None:
    """By the keys of 753aa3a, sequence 3 of 128 and sequence 3 of 500 were not the same."""
    few, many = get_sequences(128), get_sequences(500)
    assert few != many[:128]
    small, large = (shards(f"evaluation.sequences={count}", "data.tasks=[]") for count in (128, 500))
    contents = [content for shard in large for content in shard.contents or ()]
    assert [content for shard in small for content in shard.contents or ()] == contents[:128]
    assert len(set(contents)) == 500


def test_few_tasks_have_few_chains_and_the_distinct_ones_come_first() -> None:
    (shard,) = shards("evaluation.sequences=300", "evaluation.sequences_per_shard=300")
    assert shard.order == "distinct"
    chains = [
        (tuple(chain.initial_state.values()), chain.tasks)
        for chain in chains_of(1000, shard.tasks, "distinct")
    ]
    different = len(set(chains))
    assert 250 < different < 300
    assert len(set(chains[:different])) == different
    assert len(set(shard.contents or ())) == 300, "a copy counts as one more sequence"


def shards(*overrides: str) -> list[ClosedLoopSpec]:
    return list(closed_loop_shards(config(*overrides)))


def test_a_sequence_counts_by_what_it_is_and_not_by_its_place() -> None:
    (shard,) = shards("evaluation.sequences=2")
    moved = replace(shard, policy="expert", first=7, last=9, drawn=5000, tasks=(), instructions={"a": "b"})
    assert key_json(moved.keyed()) == key_json(replace(shard, policy="expert").keyed())
    assert key_json(replace(shard, first=7, last=9).keyed()) != key_json(shard.keyed()), (
        "chance draws by its place"
    )
    assert key_json(replace(shard, policy="expert", contents=("x", "y")).keyed()) != key_json(moved.keyed())
    earlier = replace(shard, contents=None)
    assert key_json(earlier.keyed()) == key_json(earlier)


def test_a_named_protocol_decides_list_steps_and_tasks() -> None:
    named = ("data.tasks=[]", "evaluation.protocol=reconvla-500", "evaluation.sequences_per_shard=250")
    first, second = closed_loop_shards(config(*named))
    assert (second.last, first.drawn, first.max_steps, first.tasks) == (500, 1000, 360, ())
    with pytest.raises(
        ConfigError, match=r"evaluation\.protocol: calvin has all tasks; leave data\.tasks empty"
    ):
        list(closed_loop_shards(config("evaluation.protocol=calvin")))


@pytest.mark.parametrize("change", ["simulators_per_batch=7", "parallel_simulators=true", "slice_seconds=1"])
def test_how_the_work_is_done_makes_no_other_job(change: str) -> None:
    assert evaluations(f"evaluation.{change}") == evaluations()


@pytest.mark.parametrize(
    "change", ["policy_batch=3", "max_steps=21", "assets={clone}", "threads=2", "renderer=egl"]
)
def test_what_may_change_results_makes_other_jobs(change: str, clone: Path) -> None:
    assert not evaluations(f"evaluation.{change.format(clone=clone)}") & evaluations()


def test_a_clone_counts_by_its_content_and_not_by_its_place(clone: Path, tmp_path: Path) -> None:
    first = evaluations(f"evaluation.assets={clone}")
    shutil.copytree(clone, tmp_path / "moved")
    assert evaluations(f"evaluation.assets={tmp_path / 'moved'}") == first
    for changed in ("data/table.urdf", "data/table.base_link.0.obj", "conf/cameras/cameras/static.yaml"):
        copy = tmp_path / changed.replace("/", "-")
        shutil.copytree(clone, copy)
        with (copy / changed).open("a") as stream:
            stream.write("\n ")
        assert not evaluations(f"evaluation.assets={copy}") & first, changed


def test_the_official_simulator_counts_by_what_its_interpreter_imports(tmp_path: Path) -> None:
    def planned(python: Path) -> set[str]:
        return evaluations(
            "evaluation.simulator=calvin", "evaluation.renderer=tiny", f"evaluation.calvin_python={python}"
        )

    first = planned(make_interpreter(tmp_path / "one"))
    assert planned(make_interpreter(tmp_path / "two")) == first
    for number, changed in enumerate(("calvin_env/env.py", "conf/scene/calvin_scene_D.yaml", "data/a.obj")):
        python = make_interpreter(tmp_path / f"changed{number}")
        file = python.parent / "clone" / changed
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as stream:
            stream.write("\n")
        assert not planned(python) & first, changed


def test_own_scenes_have_the_keys_that_they_had() -> None:
    """Nothing from outside decides them, so homes of before go on with what they have."""
    (shard,) = closed_loop_shards(config("evaluation.sequences=1"))
    assert not {"assets_digest", "calvin_env"} & shard.row().keys()


def test_instructions_count_by_their_words(tmp_path: Path) -> None:
    def named(file: Path, phrase: str) -> set[str]:
        file.write_text("".join(f"{task}: [{phrase} {task}]\n" for task in TASKS))
        return evaluations(f"evaluation.instructions={file}")

    first = named(tmp_path / "a.yaml", "do")
    assert named(tmp_path / "b.yaml", "do") == first
    assert not named(tmp_path / "a.yaml", "make") & first


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        (["evaluation.assets=/nowhere"], SimulatorMissing, "/nowhere is not a clone of calvin_env"),
        (
            ["evaluation.simulator=calvin", "evaluation.calvin_python=/no/python"],
            SimulatorMissing,
            "/no/python is no program",
        ),
        (
            ["evaluation.simulator=calvin", "evaluation.assets=/a", "evaluation.calvin_python=/b"],
            ConfigError,
            r"evaluation\.assets: the simulator calvin does not use it",
        ),
        (
            ["evaluation.calvin_python=/b"],
            ConfigError,
            r"evaluation\.calvin_python: the simulator playtable does not use it",
        ),
    ],
)
def test_a_simulator_that_cannot_be_had_is_refused_when_planning(
    given: Sequence[str], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        Planner(config(*given)).plan()


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ("[open_drawer]", "form no sequence of 5: .* of 1 kind: add 4 more"),
        ("[open_drawer, close_drawer, turn_on_led, turn_off_led]", "of 2 kinds"),
        ("[open_drawer, turn_on_led, move_slider_left, place_in_slider, stack_block]", "from no start"),
        ("[open_drawer, open_drawer]", "'open_drawer' is listed more than once"),
        ("[open_draw]", "'open_draw'"),
    ],
)
def test_tasks_that_form_no_sequence_are_refused_when_planning(tasks: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"^data\.tasks: .*{sentence}"):
        Planner(config(f"data.tasks={tasks}")).plan()


def test_recorded_data_need_a_simulator_and_phrases(tmp_path: Path, clone: Path) -> None:
    write_split(tmp_path, "training", [make_episode(100, 6)])
    write_split(
        tmp_path, "validation", [make_episode(300, 6, split="validation")],
        validation_instructions={"open_drawer": "pull"},
    )  # fmt: skip
    data = {"data": {"root": str(tmp_path)}}
    assert not config(**data).has_closed_loop
    given = (f"evaluation.assets={clone}", "data.tasks=[]")
    assert config(*given, **data).has_closed_loop
    with pytest.raises(ConfigError, match="no instruction for rotate_red_block_right; name a file"):
        list(closed_loop_shards(config(*given, **data)))
    phrases = tmp_path / "phrases.yaml"
    phrases.write_text("".join(f"{task}: [do {task}]\n" for task in TASKS))
    shard = next(closed_loop_shards(config(*given, f"evaluation.instructions={phrases}", **data)))
    assert shard.instructions["open_drawer"] == "do open_drawer"
    assert (shard.scenes, shard.assets) == ("calvin", str(clone))


def test_the_official_simulator_needs_its_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config("evaluation.simulator=calvin", "evaluation.renderer=tiny")
    with pytest.raises(ConfigError, match="calvin_python: name the interpreter"):
        list(closed_loop_shards(given))
    monkeypatch.setenv("BATON_CALVIN_PYTHON", str(make_interpreter(tmp_path)))
    assert {shard.python for shard in closed_loop_shards(given)} == {None}  # each machine has its own place


def test_the_renderer_is_that_of_the_frames_unless_named() -> None:
    (made,) = closed_loop_shards(config("evaluation.sequences=1"))
    assert (made.renderer, made.frames_renderer, made.frames_scenes) == ("tiny", "tiny", "baton")
    (named,) = closed_loop_shards(config("evaluation.sequences=1", "evaluation.renderer=egl"))
    assert (named.renderer, named.frames_renderer) == ("egl", "tiny")


@pytest.mark.parametrize("last", [361_252, 611_098, 1_795_044, 2_406_143])
@pytest.mark.parametrize("used", ["true", "false"])
def test_an_edited_file_does_not_tell_what_drew_the_frames(
    last: int, used: str, tmp_path: Path, clone: Path
) -> None:
    """Of a known download the frames are, of other data nothing but a frame drawn anew could tell."""
    for root, end, drawn_by in ((tmp_path / "known", last, "egl"), (tmp_path / "other", last - 1, None)):
        write_split(root, "training", [make_episode(end - 5, 6, scene="unknown")])
        write_split(root, "validation", [make_episode(300, 6, split="validation")])
        (root / "training" / ".hydra").mkdir()
        (root / "training" / ".hydra" / "merged_config.yaml").write_text(f"env:\n  use_egl: {used}\n")
        phrases = tmp_path / "phrases.yaml"
        phrases.write_text("".join(f"{task}: [do {task}]\n" for task in TASKS))
        given = (f"evaluation.assets={clone}", "data.tasks=[]", f"evaluation.instructions={phrases}")
        shard = next(closed_loop_shards(config(*given, data={"root": str(root)})))
        assert shard.frames_renderer == drawn_by, shard.frames_basis


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("data.training_scenes=[]", r"data\.training_scenes is empty"),
        ("data.training_scenes=[D, D]", r"data\.training_scenes: the scene 'D' is listed more than once"),
        ("data.pretraining_scenes=[]", r"data\.pretraining_scenes is empty"),
    ],
)
def test_scenes_without_demonstrations_are_refused(given: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Planner(load_config("smoke", None, (given,))).plan()


def test_tasks_that_the_data_lack_are_told_and_make_no_other_job(
    tmp_path: Path, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [
        "move_slider_right",
        "open_drawer",
        "turn_on_led",
        "push_pink_block_left",
        "lift_pink_block_table",
    ]
    phrases = tmp_path / "phrases.yaml"
    phrases.write_text("".join(f"{task}: [do {task}]\n" for task in TASKS))
    root = tmp_path / "data"
    write_split(root, "training", [make_episode(10 * i, 4, i, task=tasks[i]) for i in range(4)])
    write_split(root, "validation", [make_episode(300, 6, split="validation")])
    given = (f"evaluation.assets={clone}", f"evaluation.instructions={phrases}")
    shard = next(closed_loop_shards(config(*given, data={"root": str(root)})))
    assert shard.untrained_tasks == ("lift_pink_block_table",)
    words = ("--set", given[0], "--set", given[1], "--data", str(root), "--arms", "recon", "--detach")
    assert cli.main(["--home", str(tmp_path / "home"), "submit-ablation", "--preset", "smoke", *words]) == 0
    assert "no training demonstration shows lift_pink_block_table" in capsys.readouterr().err
