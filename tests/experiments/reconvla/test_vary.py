"""`--vary`: rows by what differs, in order, named so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.growth import grown
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tests.experiments.reconvla.plans import of_kind

WEIGHTS = "training.reconstruction_weight=0.1,1,10"


def config(*vary: str, **more: Any) -> AblationConfig:
    return load_config("smoke", None, more.pop("overrides", ()), vary=vary, **more)


def test_three_weights_and_two_seeds_are_one_ablation_with_one_set_of_data() -> None:
    plan = Planner(config(WEIGHTS, seeds=[0, 1])).plan()
    names = ["reconstruction_weight=0.1", "reconstruction_weight=1", "reconstruction_weight=10"]
    assert list(dict.fromkeys(run.arm for run in plan.training)) == names
    one = Planner(load_config("smoke", arms=["recon"])).plan()
    for kind in ("ingest", "gaze", "index"):
        assert len(of_kind(plan, kind)) == len(of_kind(one, kind))
    assert len(of_kind(plan, "train")) == 6 and len(of_kind(plan, "report")) == 1
    weights = [arm.config.training.reconstruction_weight for arm in arms_of(config(WEIGHTS))]
    assert weights == [0.1, 1, 10]
    assert arms_of(config(WEIGHTS))[2].title == "+ reconstruction loss, reconstruction_weight 10"


def test_several_are_every_combination_in_order() -> None:
    rows = config("training.steps=3,4", "training.batch_size=1,2")
    assert list(rows.arms) == [
        "steps=3+batch_size=1", "steps=3+batch_size=2", "steps=4+batch_size=1", "steps=4+batch_size=2",
    ]  # fmt: skip


def test_pairs_go_together() -> None:
    rows = config("training.steps=3,4", vary_with=["training.batch_size=1,2"])
    assert list(rows.arms) == ["steps=3+batch_size=1", "steps=4+batch_size=2"]


def test_a_pair_is_with_the_one_before_it() -> None:
    two = ("training.steps=3,4", "training.batch_size=1,2")
    first = config(*two, vary_with=["training.learning_rate=5,6"], vary_before=[1])
    assert [arm.config.training for arm in arms_of(first)][1].batch_size == 2
    assert [arm.config.training.learning_rate for arm in arms_of(first)] == [5, 5, 6, 6]
    last = config(*two, vary_with=["training.learning_rate=5,6"])
    assert [arm.config.training.learning_rate for arm in arms_of(last)] == [5, 6, 5, 6]
    with pytest.raises(ConfigError, match="none stands before it"):
        config(*two, vary_with=["training.learning_rate=5,6"], vary_before=[0])
    only = config(two[0], vary_with=["training.learning_rate=5,6"], vary_before=[0])
    assert [arm.config.training.learning_rate for arm in arms_of(only)] == [5, 6]


def test_keys_that_end_alike_are_named_in_full() -> None:
    rows = config("training.steps=3,4", "pretraining.steps=5", arms=["recon_pretrain"])
    assert next(iter(rows.arms)) == "training.steps=3+pretraining.steps=5"


def test_named_arms_are_varied_by_what_changes_them_and_rows_of_policies_stay() -> None:
    said = (
        "arms={baseline: null, mine: {base: recon, set: {training.steps: 7}}, chance: {policy: {kind: random}}}",
    )
    rows = config("training.reconstruction_weight=1,2", overrides=said)
    assert list(rows.arms) == ["baseline", "reconstruction_weight=1", "reconstruction_weight=2", "chance"]
    assert [arm.config.training.steps for arm in arms_of(rows)] == [20, 7, 7]
    both = config("training.batch_size=1,2", arms=["baseline", "recon"])
    assert list(both.arms) == [
        "baseline+batch_size=1", "baseline+batch_size=2", "recon+batch_size=1", "recon+batch_size=2",
    ]  # fmt: skip


def test_values_are_yaml() -> None:
    rows = arms_of(config("training.lora={rank: 2},null", "gaze.stages=[colour],null"))
    assert [arm.config.training.lora is None for arm in rows] == [False, False, True, True]
    assert rows[0].config.gaze.stages == ("colour",) and rows[0].name == "lora={rank:2}+stages=[colour]"


@pytest.mark.parametrize(
    ("vary", "vary_with", "sentence"),
    [
        (["training.steps"], [], "--vary 'training.steps' is not of the form key.path=value,value"),
        (["training.steps="], [], "is not of the form"),
        (["training.stepz=1"], [], "--vary training.stepz: unknown key; did you mean training.steps?"),
        (["seeds=1,2"], [], "--vary seeds: it is of the whole ablation"),
        (["training.steps=1,x"], [], "--vary: arms.steps=x.set: training.steps"),
        (["training.steps=x,1"], [], "--vary: arms.steps=x.set: training.steps"),
        (["model.backbones.vision=runs #3/x"], [], "--vary model.backbones.vision: '#3/x' is a comment in YAML"),
        (["training.steps=3]#"], [], "--vary training.steps is not YAML"),
        (["training.steps=5,5.0"], [], "--vary training.steps: 5 and 5.0 come to the same"),
        (["training.learning_rate=1e-3,.001"], [], "--vary training.learning_rate: 0.001 and 0.001 come to the same"),
        (["training.weight_decay=-0.0,0.0"], [], "--vary training.weight_decay: -0.0 and 0.0 come to the same"),
        (["training.learning_rate=1e309"], [], "--vary training.learning_rate: [0]: 1e309 is larger than any number"),
        (["training=1,2"], [], "training: it has settings of its own, so a mapping stands here (got 1)"),
        (["training.lora={rnk: 2}"], [], "--vary: arms.lora={rnk:2}.set: unknown key 'training.lora.rnk'"),
        (["model.override.size=x"], [], "model.override.size: model.size says it"),
        (["training={}"], [], "--vary training: {} names nothing that varies; say what, as in training.key=value"),
        (["training.steps=5", "training.steps=6"], [], "'training.steps' is given twice"),
        (["training.lora={rank: 3}", "training.lora.rank=6"], [], "'training.lora' is given twice"),
        ([], ["training.steps=5"], "--vary-with training.steps varies together with a --vary, and there is none"),
        (["training.steps=5,6"], ["training.batch_size=1"], "go in pairs, and have 1 and 2 values"),
        (["data.seed=" + ",".join(map(str, range(40))), "training.batch_size=" + ",".join(map(str, range(1, 30)))],
         [], "--vary: that makes 1,160 rows; an ablation has at most 1,000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(vary: list[str], vary_with: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Planner(config(*vary, vary_with=vary_with)).plan()
    assert sentence in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("training.reconstruction_weight=0.1,1,1000", "training.reconstruction_weight=1e-1,1.0,1e3",
         ["reconstruction_weight=0.1", "reconstruction_weight=1", "reconstruction_weight=1000"]),
        ("training.gradient_checkpointing=true,false", "training.gradient_checkpointing=1,no",
         ["gradient_checkpointing=true", "gradient_checkpointing=false"]),
        ("training.steps=3,4", "training.steps='3',4.0", ["steps=3", "steps=4"]),
        ("training.learning_rate=1e-5,3", "training.learning_rate=0.00001,3.0",
         ["learning_rate=1e-05", "learning_rate=3"]),
    ],
)  # fmt: skip
def test_a_row_is_named_by_what_its_value_comes_to(one: str, other: str, names: list[str]) -> None:
    """So that a sweep grows however its values are written."""
    assert list(config(one).arms) == list(config(other).arms) == names
    assert grown(config(one), config(other)) == config(one)


def test_nothing_is_a_value_of_what_may_be_empty_or_off() -> None:
    rows = config("model.override={},{language: {layers: 2}}")
    assert list(rows.arms) == ["override={}", "override={language:{layers:2}}"]
    on, off = (arm.config.training.lora for arm in arms_of(config("training.lora={},null")))
    assert on is not None and on.rank == 16 and off is None


def test_rows_whose_values_look_alike_are_told_apart(tmp_path: Path) -> None:
    files = [tmp_path / folder / "phrases.yaml" for folder in "ab"]
    rows = config(f"evaluation.instructions={files[0]},{files[1]}")
    assert list(rows.arms) == ["instructions=phrases.yaml", "instructions=phrases.yaml#2"]
    assert [arm.title for arm in arms_of(rows)] == [
        "+ reconstruction loss, instructions phrases.yaml",
        "+ reconstruction loss, instructions phrases.yaml#2",
    ]


def test_whether_a_key_changes_an_arm_is_asked_of_all_its_values() -> None:
    pairs = {"vary_with": ["pretraining.steps=7,8"]}
    for first in ("method.pretrained=false,true", "method.pretrained=true,false"):
        with pytest.raises(
            ConfigError, match=r"pretraining\.steps changes nothing in an arm that is not pretrained"
        ):
            config(first, **pairs)


@pytest.mark.parametrize("values", ["keep,drop", "drop,keep"])
def test_what_a_default_would_be_is_a_row_of_a_sweep(values: str) -> None:
    rows = config(f"gaze.untrusted={values}", arms=["baseline", "recon"])
    said = values.split(",")
    assert list(rows.arms) == [f"{arm}+untrusted={value}" for arm in ("baseline", "recon") for value in said]
    Planner(rows).plan()


def test_lists_are_asked_for_with_brackets() -> None:
    told = r"^--vary data\.training_scenes: each value is a list, so write --vary 'data\.training_scenes=\[A\],\[B\]'$"
    with pytest.raises(ConfigError, match=told):
        config("data.training_scenes=A,B")
    with pytest.raises(ConfigError, match=r"so write --vary-with 'attention\.heads=\[1\],\[0\]'"):
        config("attention.layer=1,2", vary_with=["attention.heads=[1],0"])
    assert list(config("data.training_scenes=[A],[B,C]").arms) == [
        "training_scenes=[A]",
        "training_scenes=[B,C]",
    ]
    assert next(iter(config("training.lora=null,{rank: 2, alpha: 4}").arms)) == "lora=null", "no list"


def test_rows_that_are_not_trained_are_not_varied() -> None:
    chance = ("arms={recon: null, chance: {policy: {kind: random}}}",)
    with pytest.raises(
        ConfigError, match=r"^--vary training\.steps varies arms that are trained, and no row is"
    ):
        config("training.steps=3,4", overrides=chance, arms=["chance"])


def test_looks_in_films_that_are_not_made_make_no_other_jobs() -> None:
    said = ["evaluation.video_attention=true"]
    for films, different in ([], {"report"}), (["evaluation.videos=1"], {"evaluate", "report"}):
        plain, shown = (Planner(config(WEIGHTS, overrides=[*films, *more])).plan() for more in ([], said))
        found = {one.kind for one, other in zip(plain.jobs, shown.jobs) if one.key != other.key}
        assert found == different, "a report is of its ablation's settings"


def test_a_mistake_of_an_arm_is_not_one_of_what_varies() -> None:
    said = ("arms={mine: {base: recon, set: {training.steps: x}}}",)
    with pytest.raises(ConfigError, match=r"^--set arms: arms\.mine\.set: training\.steps: "):
        config("training.batch_size=1,2", overrides=said)


def test_a_key_that_changes_nothing_anywhere_is_refused() -> None:
    told = r"^--vary training\.reconstruction_weight changes nothing in baseline \(an arm that reconstructs .*\)$"
    with pytest.raises(ConfigError, match=told):
        config(WEIGHTS, arms=["baseline"])
    told = r"changes nothing in baseline \(.*told of one.*\), and in recon \(.* is colour, which has no such option\)$"
    with pytest.raises(ConfigError, match=told):
        config("gaze.box_threshold=0.9", arms=["baseline", "recon"])
