"""Adaptive seeds in settings and plans: what is planned first, what follows of a look, and what is refused."""

from __future__ import annotations

import pytest

from errors import ConfigError
from experiments.design.bounds import looks_bounds
from experiments.design.decision import ArmDecision, Verdict
from experiments.reconvla.adaptive import next_round, prepared, rules_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.experiment import RECONVLA
from experiments.reconvla.growth import grown
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from tests.experiments.reconvla.plans import of_kind

ROUNDS = "seeds={adaptive: {max: 5, margin: 0.9}}"


def with_rounds(settings: str) -> str:
    return f"seeds={{adaptive: {{{settings}}}}}"


def config(*overrides: str) -> AblationConfig:
    arms = () if any(text.startswith("arms=") for text in overrides) else ("arms=[baseline, recon]",)
    return load_config("smoke", None, (*arms, *overrides))


def seeds(found: AblationConfig) -> dict[str, int]:
    return {name: len(found.seeds_of(name)) for name in found.trained}


def looked(*verdicts: Verdict) -> list[ArmDecision]:
    return [ArmDecision(arm, verdict, ()) for arm, verdict in zip(("recon", "recon_pretrain"), verdicts)]


def test_the_first_three_seeds_are_those_of_a_plan_that_names_them() -> None:
    plan, named = RECONVLA.plan(config(ROUNDS)), Planner(config("seeds=[0,1,2]")).plan()
    jobs = [{job.key for job in one.jobs if job.kind != "report"} for one in (plan, named)]
    assert jobs[0] == jobs[1] and plan.key != named.key
    assert (plan.open, named.open) == (True, False)
    assert plan.config["seeds"]["adaptive"]["planned"] == {
        "bounds": list(looks_bounds(5, 1)),
        "seeds": {"baseline": 3, "recon": 3},
        "open": ["recon"],
    }


def test_bounds_that_a_plan_has_are_never_computed_again() -> None:
    stored = RECONVLA.plan(config(ROUNDS)).config
    stored["seeds"]["adaptive"]["planned"]["bounds"] = [0.001, 0.002, 0.003]
    again = AblationConfig.model_validate(stored)
    assert prepared(again) == again
    rules = rules_of(again)
    assert rules is not None and rules.bounds == (0.001, 0.002, 0.003) and rules.most == 5
    assert RECONVLA.plan(again).config == stored


def test_a_round_is_one_seed_of_whatever_is_open_and_of_the_baseline() -> None:
    three = prepared(config("arms=[recon, baseline, recon_pretrain]", ROUNDS))
    assert three.adaptive is not None and three.adaptive.planned is not None
    assert three.adaptive.planned.open == ("baseline", "recon_pretrain"), "the first arm is the baseline"
    three = prepared(config("arms=[baseline, recon, recon_pretrain]", ROUNDS, "comparison.baseline=baseline"))
    after = next_round(three, looked("open", "better"))
    assert seeds(after) == {"baseline": 4, "recon": 4, "recon_pretrain": 3} and after.is_open
    jobs = of_kind(RECONVLA.plan(after), "train")
    assert {(run.arm, run.seed) for job in jobs for run in job.runs if run.seed == 3} == {
        ("baseline", 3),
        ("recon", 3),
    }
    ended = next_round(after, looked("within", "better"))
    assert seeds(ended) == seeds(after) and not ended.is_open
    assert not RECONVLA.plan(ended).open and next_round(ended, looked("within", "better")) == ended


def test_its_measure_is_that_of_the_comparison() -> None:
    for overrides, measure in (
        ([], "avg_len"),
        (["comparison.measure=success_1"], "success_1"),
        (["seeds.adaptive.measure=2/5"], "success_2"),
    ):
        rules = rules_of(config(ROUNDS, *overrides))
        assert rules is not None and rules.measure == measure


def test_it_goes_on_when_it_is_submitted_again_and_takes_policies() -> None:
    there = next_round(prepared(config(ROUNDS)), looked("open"))
    assert grown(there, config(ROUNDS)) == there
    asked = config("arms={baseline: null, recon: null, chance: {policy: {kind: random, seed: 3}}}", ROUNDS)
    whole = grown(there, asked)
    assert list(whole.policies) == ["chance"] and seeds(whole) == seeds(there)
    RECONVLA.plan(whole)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["seeds=[0,1,2]"], "named in one and adaptive in the other"),
        ([with_rounds("max: 5, margin: 0.8")], r"seeds\.adaptive\.margin is 0\.9 there and 0\.8 here"),
        (
            [ROUNDS, "arms=[baseline, recon, recon_pretrain]"],
            "recon_pretrain would join an ablation whose bounds",
        ),
        ([ROUNDS, "evaluation.sequences=9"], "evaluation.sequences: 4 were planned for each look"),
    ],
)
def test_what_was_planned_for_looks_does_not_grow_otherwise(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        grown(prepared(config(ROUNDS)), config(*overrides))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["arms=[recon]"], "there is one arm"),
        ([with_rounds("max: 2, margin: 1")], "seeds.adaptive.max"),
        ([with_rounds("max: 51, margin: 1")], "seeds.adaptive.max"),
        ([with_rounds("max: 5, margin: 0")], "seeds.adaptive.margin"),
        ([with_rounds("max: 5, margin: 5")], "every difference is smaller"),
        (["seeds.adaptive.measure=length"], "unknown measure 'length'; known: avg_len"),
        (["seeds.adaptive.measure=''"], "unknown measure ''; known: avg_len"),
        (["comparison.baseline=heavy"], "comparison.baseline: 'heavy' is none of the arms"),
        (["seeds.adaptive.measure=success_2", "comparison.measure=success_1"], "success_2 would decide"),
        (["seeds.adaptive.rounds=5"], "seeds.adaptive.rounds: unknown key"),
        ([with_rounds("max: 5")], "seeds.adaptive.margin: Field required"),
        (["seeds.adaptive.planned={bounds: [0.1, 0.1, 0.1], seeds: {}, open: []}"], "the plan writes it"),
        (
            ["arms={baseline: null, far: {base: recon, set: {evaluation.sequences: 9}}}"],
            "'far' is judged on other sequences than 'baseline'",
        ),
    ],
)
def test_what_no_look_could_decide_is_refused(overrides: list[str], sentence: str) -> None:
    rounds = () if overrides[0].startswith("seeds={") else (ROUNDS,)
    with pytest.raises(ConfigError) as refused:
        config(*rounds, *overrides)
    assert sentence in str(refused.value)
