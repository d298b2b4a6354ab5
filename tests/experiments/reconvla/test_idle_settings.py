"""A setting that changes nothing in its arm makes no row: whichever it is, each of them is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from errors import ConfigError
from experiments.reconvla.arms import flat
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tests.experiments.reconvla.plans import keys

_OF_STAGES: dict[str, object] = {
    "steps": 7, "batch_size": 3, "learning_rate": 0.3, "warmup_fraction": 0.5, "weight_decay": 0.5,
    "gradient_clip": 0.5, "reconstruction_weight": 0.5, "threads": 2, "slice_seconds": 5, "checkpoint_seconds": 5,
    "log_every_steps": 3, "early_stopping": {"every_steps": 5}, "open_loop": {"every_steps": 5}, "precision": "bf16",
    "micro_batch": 1, "gradient_checkpointing": True, "lora": {"rank": 2}, "devices": 2,
}  # fmt: skip
#: Another value of every setting that an arm may have, but for names of files.
OTHERWISE: dict[str, object] = {
    **{f"{stage}.{key}": value for stage in ("training", "pretraining") for key, value in _OF_STAGES.items()},
    "method.reconstruction": "image", "method.grounding": "crop", "method.pretrained": True,
    "data.training_scenes": ["A"], "data.pretraining_scenes": ["A"], "data.evaluation_scene": "A",
    "data.tasks": ["open_drawer", "close_drawer"], "data.demonstrations_per_task": 3,
    "data.pretraining_demonstrations_per_task": 3, "data.validation_demonstrations_per_task": 3,
    "data.starts": "rest", "data.seed": 4,
    "gaze.detector": "oracle", "gaze.weights": "x.pth", "gaze.box_threshold": 0.9, "gaze.text_threshold": 0.9,
    "gaze.precision": "fp32", "gaze.python": "/usr/bin/python3", "gaze.stages": ["colour"],
    "gaze.key_frame_interval": 3, "gaze.unknown_wording": "task", "gaze.untrusted": "drop",
    "model.size": "small", "model.official_compat": True, "model.override": {"language": {"layers": 1}},
    "evaluation.sequences": 3, "evaluation.max_steps": 3, "evaluation.simulators_per_batch": 3,
    "evaluation.parallel_simulators": True, "evaluation.policy_batch": 3, "evaluation.videos": 1,
    "evaluation.video_attention": True, "evaluation.precision": "bf16", "evaluation.slice_seconds": 3,
    "evaluation.threads": 2,
    "attention.frames": 3, "attention.layer": 0, "attention.heads": [0],
}  # fmt: skip
#: Of the whole ablation; of datasets and files, which `recon` of the built-in simulator has not; and `auto` alone.
_NOT_TRIED = (
    "name", "seeds", "scheduling", "comparison.", "data.chunk", "evaluation.random_baseline",
    "evaluation.sequences_per_shard", "data.root", "data.columns", "data.episodes", "data.validation_episodes",
    "data.validation_root", "data.scenes", "data.pretraining_root", "model.backbones", "evaluation.protocol",
    "evaluation.simulator", "evaluation.assets", "evaluation.calvin_python", "evaluation.renderer",
    "evaluation.instructions", "evaluation.sequences_file",
)  # fmt: skip


def arm(settings: dict[str, object]) -> str:
    return json.dumps({"base": "recon", "set": settings})


def test_each_setting_either_changes_jobs_or_is_refused() -> None:
    known = {key for key in flat(AblationConfig()) if not key.startswith(_NOT_TRIED)}
    assert known <= set(OTHERWISE), "a new setting is tried too"
    refused, rows = set(), ["recon: null"]
    for key, value in OTHERWISE.items():
        row = f"{key}: {arm({key: value})}"
        try:
            load_config("smoke", None, (f"arms={{{row}}}",))
        except ConfigError as error:
            assert f"arms.{key}.set: {key}" in str(error)
            assert " changes nothing in an arm" in str(error) or " makes no row: it says how" in str(error)
            refused.add(key)
        else:
            rows.append(row)
    assert {key for key in refused if not key.startswith("pretraining.")} == {
        "training.slice_seconds", "training.checkpoint_seconds", "data.pretraining_scenes",
        "data.pretraining_demonstrations_per_task", "gaze.weights", "gaze.box_threshold", "gaze.text_threshold",
        "gaze.precision", "gaze.python", "evaluation.simulators_per_batch", "evaluation.parallel_simulators",
        "evaluation.video_attention", "evaluation.slice_seconds",
    }  # fmt: skip
    Planner(
        load_config("smoke", None, (f"arms={{{', '.join(rows)}}}",))
    ).plan()  # which refuses rows that are equal


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"gaze.box_threshold": 0.9}, "whose detector (gaze.detector) is colour, which has no such option"),
        ({"gaze.detector": "oracle", "gaze.stages": ["size"]}, "gaze.stages changes nothing in an arm whose detector"),
        ({"training.slice_seconds": 9, "evaluation.slice_seconds": 9}, "training.slice_seconds makes no row"),
        ({"data.root": "/x", "data.starts": "rest"}, "data.starts changes nothing in an arm that is trained on a data"),
        ({"data.root": "/x", "method.pretrained": True, "data.pretraining_scenes": ["A"]}, "pretrained on a dataset"),
        ({"evaluation.protocol": "calvin", "evaluation.max_steps": 9}, "whose evaluation.protocol, calvin, decides it"),
    ],
)  # fmt: skip
def test_why_it_changes_nothing_is_said(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("smoke", None, (f"arms={{a: {arm(settings)}}}",))
    assert sentence in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_without_a_simulator_nothing_of_it_is_read(tmp_path: Path) -> None:
    said = (f"arms={{a: {arm({'evaluation.max_steps': 9})}}}",)
    with pytest.raises(
        ConfigError, match=r"evaluation\.max_steps changes nothing in an arm that is judged without a"
    ):
        load_config("smoke", None, said, data__root=str(tmp_path))


def test_what_is_not_known_to_be_idle_is_found_by_the_jobs() -> None:
    said = arm({"training.steps": 5, "model.override.denoiser.loss_weight": 4})
    with pytest.raises(
        ConfigError, match=r"loss_weight changes nothing in this arm: its jobs are the same without it"
    ):
        Planner(load_config("smoke", None, (f"arms={{a: {said}}}",))).plan()
    defaults = arm(
        {"model.override.denoiser.width": 48, "evaluation.precision": "fp32", "attention.layer": 2}
    )
    Planner(load_config("smoke", None, (f"arms={{a: {defaults}}}",))).plan()


def test_how_work_is_done_may_go_with_what_differs() -> None:
    rows = load_config("smoke", vary=["training.steps=5,6"], vary_with=["training.slice_seconds=7,8"])
    assert list(rows.arms) == ["steps=5+slice_seconds=7", "steps=6+slice_seconds=8"]
    mine = "arms={mine: {base: recon, set: {training.steps: 7}}}"
    with pytest.raises(
        ConfigError, match=r"^--vary training\.slice_seconds changes nothing in mine \(it says how"
    ):
        load_config("smoke", None, (mine,), vary=["training.slice_seconds=7"])


def test_rows_that_are_there_are_planned_as_they_are() -> None:
    config = load_config("smoke", arms=["recon"])
    idle = AblationConfig.model_validate(
        {**config.model_dump(), "arms": {"a": {"base": "recon", "set": {"gaze.box_threshold": 0.9}}}}
    )
    with pytest.raises(ConfigError, match="has no such option"):
        Planner(idle).plan()
    assert keys(Planner(idle, there={"a"}).plan(), "train") == keys(Planner(config).plan(), "train")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{attention.heads: [0, 1]}", "{attention.heads: [1, 0]}"),
        ("{attention.heads: [0, 0, 1]}", "{attention.heads: [1, 0, 0]}"),
        ("{attention.heads: [1]}", "{attention.heads: [1, 1]}"),
        ("{}", "{attention.heads: [3, 2, 1, 0]}"),
        ("{}", "{attention.layer: 2}"),
        ("{gaze.stages: [size, colour]}", "{gaze.stages: [colour, size]}"),
    ],
)
def test_rows_that_say_the_same_in_other_words_are_equal(one: str, other: str) -> None:
    said = f"arms={{a: {{base: recon, set: {one}}}, b: {{base: recon, set: {other}}}}}"
    config = load_config("smoke", None, (said,))
    with pytest.raises(ConfigError, match=r"^arms\.b: it comes to the same as a; leave one of them out$"):
        Planner(config).plan()
    Planner(config, there={"a", "b"}).plan()


def test_a_mean_that_counts_a_head_twice_is_another() -> None:
    said = "{a: {base: recon, set: {attention.heads: [0, 1]}}, b: {base: recon, set: {attention.heads: [0, 0, 1]}}}"
    Planner(load_config("smoke", None, (f"arms={said}",))).plan()


POLICY = """
class Mine:
    def __init__(self, gain=1.0, seed=3, names=("a", "b")):
        pass

    def act(self, queries):
        return [[[0, 0, 0, 0, 0, 0, 1]] for _ in queries]
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{}", "{gain: 1, seed: 3.0}"),
        ("{seed: 4}", "{seed: 4.0, names: [a, b]}"),
        ("{gain: 2}", "{gain: 2.0}"),
    ],
)
def test_options_of_an_own_policy_are_equal_by_value_and_with_defaults(
    one: str, other: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(POLICY)
    row = "  {name}: {{policy: {{kind: own, class: 'mine:Mine', options: {options}}}}}\n"
    file = tmp_path / "rows.yaml"
    file.write_text(
        "arms:\n  recon: null\n"
        + "".join(row.format(name=n, options=o) for n, o in (("a", one), ("b", other)))
    )
    with pytest.raises(ConfigError, match=r"^arms\.b: it comes to the same as a"):
        Planner(load_config("smoke", file)).plan()
    file.write_text(file.read_text().replace(other, "{gain: 7}"))
    Planner(load_config("smoke", file)).plan()


def test_a_server_is_the_same_however_its_address_is_written() -> None:
    rows = [
        f"{name}: {{policy: {{kind: http, url: 'http://127.0.0.1:9{path}'}}}}"
        for name, path in (("a", ""), ("b", "/predict"))
    ]
    with pytest.raises(ConfigError, match=r"^arms\.b: it comes to the same as a"):
        Planner(load_config("smoke", None, (f"arms={{recon: null, {', '.join(rows)}}}",))).plan()
