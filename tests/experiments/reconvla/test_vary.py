"""`--vary`: rows by what differs, in order, named so."""

from __future__ import annotations

from typing import Any

import pytest

from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig
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
        (["training.stepz=1"], [], "--vary training.stepz: unknown key 'training.stepz'; did you mean training.steps?"),
        (["seeds=1,2"], [], "--vary seeds: seeds is of the whole ablation"),
        (["training.steps=1,x"], [], "arms.steps=x.set: training.steps"),
        (["training.steps=5,5.0"], [], "it comes to the same as steps=5"),
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


def test_a_key_that_changes_nothing_anywhere_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^--vary training\.reconstruction_weight changes nothing in baseline$"
    ):
        config(WEIGHTS, arms=["baseline"])
