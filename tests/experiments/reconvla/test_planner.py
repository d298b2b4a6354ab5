"""Keys of jobs: equal work has one key, and every change that matters changes the right ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.split import Recording
from db.plans import Plan, PlannedJob, RunRef
from errors import CheckpointError, ConfigError
from experiments.reconvla.arms import built_in, built_in_method
from tests.detectors.grounding_dino.tiny import write_tiny_model
from tests.experiments.reconvla.plans import changed, kept, keys, plan


@pytest.fixture(scope="module")
def usual() -> Plan:
    return plan()


def test_the_same_configuration_gives_the_same_plan(usual: Plan) -> None:
    assert plan() == usual


def test_checkpoints_know_what_drew_their_frames_and_keys_do_not(
    usual: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = plan(arms=("recon", "recon_pretrain"))
    assert {job.spec["drawn_by"] for job in both.jobs if job.kind in ("train", "pretrain")} == {"tiny"}
    told = Recording("egl", "drawn anew")
    monkeypatch.setattr("experiments.reconvla.run_jobs.frames_recording", lambda config, *of: told)
    other = plan(arms=("recon", "recon_pretrain"))
    assert keys(other, "train", "pretrain") == keys(both, "train", "pretrain")
    trained = [job.spec for job in other.jobs if job.kind in ("train", "pretrain")]
    assert {(spec["drawn_by"], spec["drawn_basis"]) for spec in trained} == {("egl", "drawn anew")}


def test_every_job_follows_what_it_needs(usual: Plan) -> None:
    seen: set[str] = set()
    for job in plan(arms=("baseline", "recon", "recon_pretrain"), seeds=(0, 1)).jobs:
        assert {need.key for need in job.needs} <= seen, job.label
        assert job.key not in seen
        seen.add(job.key)
    assert job.kind == "report"


@pytest.mark.parametrize(
    "timing",
    [
        "training.slice_seconds=1",
        "training.checkpoint_seconds=1",
        "evaluation.slice_seconds=1",
        "pretraining.slice_seconds=1",
    ],
)
def test_timing_is_in_no_key_of_work(usual: Plan, timing: str) -> None:
    assert changed(usual, plan(timing)) <= {"report"}
    assert kept(usual, plan(timing)) >= {"ingest", "gaze", "index", "train", "evaluate", "attention"}


AFTER_TRAINING = {"train", "attention", "reconstruct"}
AFTER_DATA = {"ingest", "gaze", "index", *AFTER_TRAINING}


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("training.steps=21", AFTER_TRAINING),
        ("training.batch_size=9", AFTER_TRAINING),
        ("training.threads=2", AFTER_TRAINING),
        ("training.reconstruction_weight=0.5", AFTER_TRAINING),
        ("training.open_loop={every_steps: 5}", AFTER_TRAINING),
        ("data.seed=1", AFTER_DATA),
        ("gaze.detector=oracle", {"gaze", "index", *AFTER_TRAINING}),
        ("gaze.stages=[size]", {"gaze", "index", *AFTER_TRAINING}),
        ("gaze.unknown_wording=task", {"gaze", "index", *AFTER_TRAINING}),
        ("model.official_compat=true", {"index", *AFTER_TRAINING}),
        ("evaluation.threads=2", {"evaluate", "attention", "reconstruct"}),
    ],
)
def test_a_change_reaches_what_depends_on_it_and_nothing_else(
    usual: Plan, override: str, new: set[str]
) -> None:
    other = plan(override)
    assert changed(usual, other) - {"report", "evaluate"} == new - {"evaluate"}
    assert kept(usual, other) >= {"ingest", "gaze", "index"} - new


def test_what_is_measured_on_the_way_is_in_no_key_unless_asked_for(usual: Plan) -> None:
    """Homes that were trained before it was there go on with what they have."""
    assert all("open_loop" not in job.spec["training"] for job in usual.jobs if job.kind == "train")
    measured = [job for job in plan("training.open_loop={every_steps: 5}").jobs if job.kind == "train"]
    for job in measured:
        assert job.spec["training"]["open_loop"] == {"every_steps": 5, "frames": 64}
        assert {"validation", "validation_frames"} <= {need.role for need in job.needs}


def test_untrusted_frames_are_the_training_indexs_business(usual: Plan) -> None:
    other = plan("gaze.untrusted=drop")
    assert changed(usual, other) - {"report", "evaluate"} == AFTER_TRAINING
    assert kept(usual, other) >= {"ingest", "gaze"}
    assert len(keys(usual)["index"] & keys(other)["index"]) == 1, "the validation split keeps every frame"


def test_another_seed_trains_again_on_the_same_index(usual: Plan) -> None:
    both = plan(seeds=(0, 1))
    assert kept(usual, both) >= {"ingest", "gaze", "index"}
    assert keys(usual)["train"] < keys(both)["train"]
    assert len(keys(both)["train"]) == 2


def test_arms_share_the_data_and_seeds_share_one_pretraining_each() -> None:
    every = plan(arms=("baseline", "recon", "recon_pretrain"), seeds=(0, 1))
    assert len(keys(every)["train"]) == 6
    assert len(keys(every)["pretrain"]) == 2
    assert len(every.training) == 6
    train = {job.key: job for job in every.jobs if job.kind == "train"}
    pretrained = train[every.training[RunRef("recon_pretrain", 1)]]
    roles = {need.role for need in pretrained.needs}
    assert roles == {"index", "index_frames", "init"}
    assert train[every.training[RunRef("baseline", 0)]].spec["model"]["config"]["denoiser"] is None
    assert train[every.training[RunRef("recon", 0)]].spec["model"]["config"]["denoiser"] is not None


@pytest.mark.parametrize(
    ("overrides", "judged_in"),
    [
        ((), None),
        (("training.precision=bf16",), None),
        (("evaluation.precision=fp32", "training.lora={four_bit: true}"), None),
        (("evaluation.precision=bf16",), "bf16"),
        (("training.lora={}",), None),
        (("training.lora={}", "training.precision=bf16"), "bf16"),
        (("training.lora={four_bit: true}", "training.precision=fp16"), "4bit"),
        (("training.lora={four_bit: true}", "evaluation.precision=fp16"), "fp16"),
    ],
)
def test_what_a_trained_model_is_judged_in(
    usual: Plan, overrides: tuple[str, ...], judged_in: str | None
) -> None:
    planned = plan(*overrides)
    judging = [job for job in planned.jobs if "checkpoint" in {need.role for need in job.needs}]
    assert {job.kind for job in judging} == {"evaluate", "attention", "reconstruct"}
    assert {job.spec.get("precision") for job in judging} == {judged_in}
    assert all("precision" not in job.spec for job in planned.jobs if job not in judging)
    if "lora" not in str(overrides) and "training" not in str(overrides):
        same = {"evaluate", "attention", "reconstruct"} <= kept(usual, planned)
        assert same == (judged_in is None), "fp32 is in no key"


def test_every_arm_of_the_table_is_a_run_of_its_own() -> None:
    every = plan(arms=tuple(built_in()))
    assert len(keys(every)["train"]) == len(built_in())
    specs = {run.arm: job.spec for job in every.jobs if job.kind == "train" for run in job.runs}
    assert {arm: spec["model"]["reconstructs"] for arm, spec in specs.items()} == {
        arm: built_in_method(arm).reconstruction for arm in built_in()
    }
    shown = {run.arm: job.spec for job in every.jobs if job.kind == "evaluate" for run in job.runs
             if job.spec["mode"] == "closed_loop"}  # fmt: skip
    assert [arm for arm, spec in shown.items() if "gaze" in spec] == ["explicit_grounding"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            "attention.layer=3",
            r"^attention\.layer: 3, but the model has 3 layers: -3 to 2, and -1 is the last$",
        ),
        ("attention.layer=-4", r"^attention\.layer: -4, but"),
        ("attention.heads=[0,4]", r"^attention\.heads: 4, but the model has heads 0 to 3$"),
    ],
)
def test_attention_that_the_model_has_not_is_refused_before_anything_is_queued(
    chosen: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(chosen)


def test_attention_is_looked_for_in_the_model_as_it_is_overridden() -> None:
    one = "model.override={language: {layers: 1, heads: 6, kv_heads: 6}}"
    assert plan(one, "attention.layer=-1", "attention.heads=[5]").jobs
    with pytest.raises(ConfigError, match="the model has 1 layer: -1 to 0"):
        plan(one, "attention.layer=2")


def test_larger_models_are_planned_and_know_their_backbones_by_content(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for name in ("config.json", "tokenizer_config.json"):
            (tmp_path / place / name).write_text("{}")
    small = plan("model.size=small")
    here, there = (
        plan("model.size=small", f"model.backbones.language={tmp_path / place}") for place in ("a", "b")
    )
    assert keys(here)["train"] == keys(there)["train"] != keys(small)["train"]
    (spec,) = {job.key: job.spec for job in here.jobs if job.kind == "train"}.values()
    assert spec["model"]["tokenizer"]["root"] == str(tmp_path / "a")
    assert spec["model"]["config"]["vision"]["frozen"]
    (seven,) = [job.spec for job in plan("model.size=7b").jobs if job.kind == "train"]
    assert seven["model"]["config"]["language"]["layers"] == 28
    assert kept(small, plan("model.size=7b")) >= {"ingest", "gaze", "index"}, "all sizes share the data"


def order_of_one_worker(plan: Plan) -> list[PlannedJob]:
    """The order in which one worker that does everything would take whole jobs."""
    waiting, done, order = list(plan.jobs), set[str](), list[PlannedJob]()
    while waiting:
        able = [job for job in waiting if {need.key for need in job.needs} <= done]
        taken = min(able, key=lambda job: job.priority)  # of equals the first planned, as in the database
        waiting.remove(taken)
        done.add(taken.key)
        order.append(taken)
    return order


def test_finish_first_judges_a_run_before_it_trains_the_next() -> None:
    arms = ("baseline", "recon_pretrain")
    jobs = order_of_one_worker(plan("scheduling=finish_first", arms=arms, seeds=(0, 1)))
    work = [job for job in jobs if job.resource == "accelerator" and len(job.runs) == 1]
    runs = [job.runs[0] for job in work]
    assert list(dict.fromkeys(runs)) == [run for number, run in enumerate(runs) if runs[number - 1] != run]
    kinds = [job.kind for job in work if job.runs[0] == RunRef("recon_pretrain", 1)]
    assert kinds[:3] == ["pretrain", "train", "evaluate"]


def test_a_job_knows_the_runs_it_serves(usual: Plan) -> None:
    every = plan(arms=("recon", "recon_pretrain"))
    by_kind: Callable[[str], list[PlannedJob]] = lambda kind: [job for job in every.jobs if job.kind == kind]  # noqa: E731
    assert {job.runs for job in by_kind("train")} == {(RunRef("recon", 0),), (RunRef("recon_pretrain", 0),)}
    assert [job.runs for job in by_kind("pretrain")] == [(RunRef("recon_pretrain", 0),)]
    assert all(job.runs == () for job in by_kind("gaze"))


def test_shards_cover_every_sequence_once(usual: Plan) -> None:
    config = (
        "evaluation.sequences=10",
        "evaluation.sequences_per_shard=4",
        "evaluation.random_baseline=false",
    )
    shards = [j.spec for j in plan(*config).jobs if j.kind == "evaluate" and j.spec["mode"] == "closed_loop"]
    assert [(spec["first"], spec["last"]) for spec in shards] == [(0, 4), (4, 8), (8, 10)]


def test_nobody_films_random_actions() -> None:
    shards = [job.spec for job in plan("evaluation.videos=2").jobs if job.spec.get("mode") == "closed_loop"]
    assert {(shard["policy"], shard["videos"]) for shard in shards} == {("reconvla", 2), ("random", 0)}


def test_a_neural_detector_runs_where_the_gpus_are(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    resources = {
        detector: {job.resource for job in planned.jobs if job.kind == "gaze"}
        for detector, planned in {
            "colour": plan(),
            "grounding_dino": plan("gaze.detector=grounding_dino", f"gaze.weights={tmp_path}"),
        }.items()
    }
    assert resources == {"colour": {"cpu"}, "grounding_dino": {"accelerator"}}


def test_weights_that_are_none_are_refused_before_anything_is_queued(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        plan("gaze.detector=grounding_dino", f"gaze.weights={tmp_path}")


def open_loop_jobs(*overrides: str) -> list[PlannedJob]:
    return [job for job in plan(*overrides).jobs if job.spec.get("mode") == "open_loop"]


@pytest.mark.parametrize("section", ["open_loop={every_steps: 5, frames: 40}", "early_stopping={frames: 40}"])
def test_the_end_is_judged_on_the_frames_that_training_was_measured_on(section: str) -> None:
    assert {job.spec["frames"] for job in open_loop_jobs(f"training.{section}")} == {40}
    trained = [job.spec["training"] for job in plan(f"training.{section}").jobs if job.kind == "train"]
    (settings,) = {str(training.get("early_stopping")) for training in trained}
    assert ("same_frames" in settings) == section.startswith("early")


def test_without_a_measurement_on_the_way_jobs_are_as_ever() -> None:
    assert all(not {"frames", "jpeg"} & set(job.spec) for job in open_loop_jobs())
    assert all(job.spec["jpeg"] for job in open_loop_jobs("model.official_compat=true"))
