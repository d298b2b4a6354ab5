"""More seeds, sequences and rows join what is there; other settings are another ablation."""

from __future__ import annotations

import pytest

from errors import ConfigError
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.evaluation_plan import ListOfSequences
from experiments.reconvla.growth import grown, kept_list, told
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tests.experiments.reconvla.plans import of_kind


def config(*overrides: str) -> AblationConfig:
    return load_config(
        "smoke", None, ("arms=[recon]", *overrides)[bool([o for o in overrides if "arms=" in o]) :]
    )


def test_nothing_that_is_there_goes() -> None:
    there = config("seeds=[0,3]", "evaluation.sequences=9", "arms=[recon, baseline]")
    asked = config(
        "seeds=[3,1]", "arms={heavy: {base: recon, set: {training.reconstruction_weight: 2}}, recon: null}"
    )
    whole = grown(there, asked)
    assert (whole.seeds, list(whole.arms)) == ((0, 3, 1), ["recon", "baseline", "heavy"])
    assert whole.evaluation.sequences == 9
    assert told(there, whole, asked) == [
        "new rows: heavy",
        "new seeds: 1",
        "not named here and kept: rows baseline, seeds 0, all 9 sequences",
    ]
    assert grown(whole, there) == whole and told(whole, whole, whole) == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("training.steps=30", "training.steps is 20 there and 30 here"),
        ("data.tasks=[open_drawer]", "data.tasks is "),
        ("training.lora={rank: 4}", "training.lora"),
        (
            "arms={mine: {base: recon, set: {training.reconstruction_weight: 3}}}",
            "arms.mine: training.reconstruction_weight is 2.0 there and 3.0 here",
        ),
        (
            "arms={mine: {base: recon, set: {training.reconstruction_weight: 2}, title: heavy}}",
            "arms.mine: title is 'mine' there and 'heavy' here",
        ),
        (
            "arms={mine: {base: recon, set: {training.reconstruction_weight: 2, data.seed: 3}, judged: own}}",
            "arms.mine: data.seed is 0 there and 3 here",
        ),
        (
            "arms={theirs: {policy: {kind: random, seed: 4}}}",
            "arms.theirs: policy is {'kind': 'random', 'seed': 3} there and {'kind': 'random', 'seed': 4} here",
        ),
        ("arms={theirs: {base: recon}}", "arms.theirs: it is a policy there and an arm here"),
        (
            "arms={mine: {base: recon, set: {training.reconstruction_weight: 2, evaluation.sequences: 3}}}",
            "arms.mine: evaluation.sequences is None there and 3 here",
        ),
    ],
)
def test_other_settings_are_named(override: str, sentence: str) -> None:
    there = config(
        "arms={recon: null, mine: {base: recon, set: {training.reconstruction_weight: 2}}, "
        "theirs: {policy: {kind: random, seed: 3}}}"
    )
    with pytest.raises(ConfigError) as caught:
        grown(there, config(override))
    assert sentence in str(caught.value)


def test_the_same_row_may_be_written_otherwise() -> None:
    one = config("arms={mine: {base: recon, set: {training.reconstruction_weight: 2}}}")
    other = config(
        "arms={mine: {set: {training: {reconstruction_weight: 2.0}, method: {reconstruction: gaze}}}}"
    )
    assert grown(one, other) == one


@pytest.mark.parametrize(("before", "after"), [(4, 9), (5, 6), (2, 11)])
def test_shards_that_are_there_stay_as_they_are(before: int, after: int) -> None:
    few = Planner(config(f"evaluation.sequences={before}")).plan()
    many = config(f"evaluation.sequences={after}")
    kept = kept_list(many, [job.spec for job in of_kind(few, "evaluate")])
    assert kept is not None
    plan = Planner(many, kept).plan()
    assert {job.key for job in few.jobs if job.kind != "report"} <= {job.key for job in plan.jobs}
    for policy in ("random", "reconvla"):
        shards = [job.spec for job in of_kind(plan, "evaluate") if job.spec.get("policy") == policy]
        numbers = [n for spec in shards for n in range(spec["first"], spec["last"])]
        assert sorted(numbers) == list(range(after)), "each sequence once"
    again = Planner(many, kept_list(many, [job.spec for job in of_kind(plan, "evaluate")])).plan()
    assert again.key == plan.key, "the same command again"


def test_seeds_and_arms_add_jobs_and_change_none() -> None:
    few = {job.key for job in Planner(config()).plan().jobs if job.kind != "report"}
    for more in ("seeds=[0,1]", "arms=[recon, baseline, recon_pretrain, cot_grounding]"):
        assert few <= {job.key for job in Planner(config(more)).plan().jobs}


def test_a_list_of_an_earlier_version_stays_and_does_not_get_longer() -> None:
    specs = []
    for job in of_kind(Planner(config()).plan(), "evaluate"):
        if "contents" in job.spec:
            earlier = {name: value for name, value in job.spec.items() if name not in ("contents", "order")}
            specs.append({**earlier, "drawn": 4})
    kept = kept_list(config("seeds=[0,1]"), specs)
    assert kept == ListOfSequences(4, "drawn", by_content=False, cuts=(2, 4))
    shards = [job.spec for job in of_kind(Planner(config(), kept).plan(), "evaluate") if "drawn" in job.spec]
    assert {spec["drawn"] for spec in shards} == {4} and not any("contents" in spec for spec in shards)
    with pytest.raises(ConfigError, match="of which no longer one is a continuation"):
        kept_list(config("evaluation.sequences=5"), specs)


def test_more_sequences_than_the_list_has_are_refused() -> None:
    specs = [job.spec for job in of_kind(Planner(config()).plan(), "evaluate")]
    assert kept_list(config("evaluation.sequences=1000"), specs) is not None
    with pytest.raises(ConfigError, match=r"1,001, and its 4 sequences are of a list of 1,000"):
        kept_list(config("evaluation.sequences=1001"), specs)
