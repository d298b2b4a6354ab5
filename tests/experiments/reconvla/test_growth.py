"""More seeds, sequences and rows join what is there; other settings are another ablation."""

from __future__ import annotations

import pytest

from db.plans import Plan
from errors import ConfigError
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.evaluation_plan import ListOfSequences
from experiments.reconvla.experiment import RECONVLA
from experiments.reconvla.growth import grown, in_few_operations, kept_lists, told
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from settings.json_values import JsonObject
from tests.experiments.reconvla.plans import of_kind

SHARED, AWAY = "rows share seeds and sequences, so it gets", "another --name would not"


def config(*overrides: str) -> AblationConfig:
    return load_config(
        "smoke", None, ("arms=[recon]", *overrides)[bool([o for o in overrides if "arms=" in o]) :]
    )


def shards_of(plan: Plan) -> list[tuple[str | None, JsonObject]]:
    """As `db.queries.specs_of` has them of an ablation with this plan."""
    return [
        (None if run is None else run.arm, job.spec)
        for job in of_kind(plan, "evaluate")
        for run in (job.runs or (None,))
    ]


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
        "what it has and this does not ask for stays in it: rows baseline, seeds 0, all 9 sequences",
        f"{SHARED} rows baseline with seeds 1, rows heavy with seeds 0 too; {AWAY}",
    ]
    assert grown(whole, there) == whole and told(whole, whole, whole) == []


OWN = "own: {base: recon, set: {training.reconstruction_weight: 2, evaluation.sequences: 3}}"
ROWS = f"arms={{recon: null, baseline: null, {OWN}, chance: {{policy: {{kind: random}}}}}}"


@pytest.mark.parametrize(
    ("asked", "gets"),
    [
        (("seeds=[0,1]", ROWS), None),
        (("seeds=[0]", "arms=[recon]"), None),
        (("seeds=[0]", "arms=[recon, cot_grounding]"), "rows cot_grounding with seeds 1"),
        (("seeds=[0,1,2]", "arms=[recon]"), "rows baseline, own with seeds 2"),
        (("seeds=[0,1,2]", ROWS), None),
        (
            ("seeds=[1]", "arms=[recon]", "evaluation.sequences=20"),
            "rows baseline, chance and seeds 0 on 20 sequences",
        ),
    ],
)
def test_what_it_gets_that_is_not_asked_for_is_told(asked: tuple[str, ...], gets: str | None) -> None:
    """Every row has all seeds, and all sequences where it has none of its own."""
    there, wanted = config("seeds=[0,1]", "evaluation.sequences=9", ROWS), config(*asked)
    sentences = told(there, grown(there, wanted), wanted)
    found = [one for one in sentences if "it gets" in one]
    assert found == ([] if gets is None else [f"{SHARED} {gets} too; {AWAY}"])


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
            "arms.theirs: policy.seed is 3 there and 4 here",
        ),
        ("arms={theirs: {base: recon}}", "arms.theirs: it is a policy there and an arm here"),
        (
            "arms={mine: {base: recon, set: {training.reconstruction_weight: 2, evaluation.sequences: 3}}}",
            "arms.mine: evaluation.sequences is 'as many as all' there and 3 here",
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


def test_a_choice_that_is_said_for_the_first_time_differs_alone() -> None:
    recon = ("arms=[baseline, recon]",)
    there = config(*recon)
    with pytest.raises(ConfigError, match=r"^comparison\.baseline is null there and 'recon' here$"):
        grown(there, config(*recon, "comparison.baseline=recon"))
    with pytest.raises(ConfigError, match=r"^training\.lora is off there and \{'rank': 2, .* here$"):
        grown(there, config(*recon, "training.lora={rank: 2}"))
    with pytest.raises(ConfigError, match=r"^evaluation\.sequences_file is null there and 'x' here$"):
        grown(there, config(*recon, "evaluation.sequences_file=x"))
    assert grown(there, config(*recon, "comparison.measure=avg_len")) == there


def test_the_same_row_may_be_written_otherwise() -> None:
    one = config("arms={mine: {base: recon, set: {training.reconstruction_weight: 2}}}")
    other = config(
        "arms={mine: {set: {training: {reconstruction_weight: 2.0}, method: {reconstruction: gaze}}}}"
    )
    assert grown(one, other) == one
    one, other = (config(f"arms={{a: {{policy: {{kind: random{seed}}}}}}}") for seed in ("", ", seed: 0"))
    assert grown(one, other) == one


@pytest.mark.parametrize(("before", "after"), [(4, 9), (5, 6), (2, 11)])
def test_shards_that_are_there_stay_as_they_are(before: int, after: int) -> None:
    few = Planner(config(f"evaluation.sequences={before}")).plan()
    many = config(f"evaluation.sequences={after}")
    kept = kept_lists(many, shards_of(few))
    plan = Planner(many, kept).plan()
    assert {job.key for job in few.jobs if job.kind != "report"} <= {job.key for job in plan.jobs}
    for policy in ("random", "reconvla"):
        shards = [job.spec for job in of_kind(plan, "evaluate") if job.spec.get("policy") == policy]
        numbers = [n for spec in shards for n in range(spec["first"], spec["last"])]
        assert sorted(numbers) == list(range(after)), "each sequence once"
    again = Planner(many, kept_lists(many, shards_of(plan))).plan()
    assert again.key == plan.key, "the same command again"


def test_seeds_and_arms_add_jobs_and_change_none() -> None:
    few = {job.key for job in Planner(config()).plan().jobs if job.kind != "report"}
    for more in ("seeds=[0,1]", "arms=[recon, baseline, recon_pretrain, cot_grounding]"):
        assert few <= {job.key for job in Planner(config(more)).plan().jobs}


def test_trainings_of_a_table_are_computed_alike() -> None:
    """One whose trainings were planned before there were few operations grows in their way; the others in this one."""
    trainings = [("recon", dict(job.spec)) for job in of_kind(Planner(config()).plan(), "train")]
    assert in_few_operations([]) and in_few_operations(trainings)
    for _, spec in trainings:
        spec["training"] = {name: value for name, value in spec["training"].items() if name != "operations"}
    assert not in_few_operations(trainings)
    more = config("seeds=[0,1]")
    before, plan = RECONVLA.plan(config(), trainings), RECONVLA.plan(more, trainings)
    specs = [job.spec for job in of_kind(plan, "train")]
    assert len(specs) == 2 and {spec["training"].get("operations") for spec in specs} == {None}
    assert {job.key for job in before.jobs if job.kind != "report"} <= {job.key for job in plan.jobs}
    assert RECONVLA.plan(config()).key == Planner(config()).plan().key != before.key


def test_a_list_of_an_earlier_version_stays_and_does_not_get_longer() -> None:
    specs = []
    for row, spec in shards_of(Planner(config()).plan()):
        if "contents" in spec:
            earlier = {name: value for name, value in spec.items() if name not in ("contents", "order")}
            specs.append((row, {**earlier, "drawn": 4}))
    kept = kept_lists(config("seeds=[0,1]"), specs)
    old = ListOfSequences(4, "drawn", by_content=False, cuts=(2, 4))
    assert kept.by_row == {"recon": old, None: old} and kept.others == old
    shards = [job.spec for job in of_kind(Planner(config(), kept).plan(), "evaluate") if "drawn" in job.spec]
    assert {spec["drawn"] for spec in shards} == {4} and not any("contents" in spec for spec in shards)
    with pytest.raises(ConfigError, match="of which no longer one is a continuation"):
        kept_lists(config("evaluation.sequences=5"), specs)


def test_more_sequences_than_the_list_has_are_refused() -> None:
    specs = shards_of(Planner(config()).plan())
    assert kept_lists(config("evaluation.sequences=1000"), specs).others is not None
    with pytest.raises(ConfigError, match=r"1,001, and its 4 sequences are of a list of 1,000"):
        kept_lists(config("evaluation.sequences=1001"), specs)


#: Of these tasks others than the preset's are in every sequence.
_TASKS = "[open_drawer, move_slider_left, turn_on_led, turn_on_lightbulb, push_red_block_left, lift_red_block_table]"


@pytest.mark.parametrize(
    "arm",
    [
        "{base: recon, set: {evaluation.sequences: 3}}",
        "{base: recon, set: {evaluation.sequences: 1200, training.steps: 9}}",
        f"{{base: recon, judged: own, set: {{data.tasks: {_TASKS}}}}}",
    ],
)
def test_a_row_with_sequences_of_its_own_is_cut_as_it_was(arm: str) -> None:
    words = (f"arms={{recon: null, mine: {arm}}}", "evaluation.sequences_per_shard=4")
    first = Planner(config(*words, "evaluation.sequences=10")).plan()
    same = config(*words, "evaluation.sequences=10")
    assert Planner(same, kept_lists(same, shards_of(first))).plan().key == first.key
    more = config(*words, "evaluation.sequences=15", "seeds=[0,1]")
    grown_plan = Planner(more, kept_lists(more, shards_of(first))).plan()
    keys = {job.key for job in grown_plan.jobs}
    assert {job.key for job in first.jobs if job.kind != "report"} <= keys, "nothing is played twice"
    again = Planner(more, kept_lists(more, shards_of(grown_plan))).plan()
    assert again.key == grown_plan.key


def test_a_row_that_joins_is_cut_like_those_that_are_there() -> None:
    words = ("evaluation.sequences_per_shard=4", "evaluation.sequences=10")
    few = Planner(config(*words[:1], "evaluation.sequences=6")).plan()
    grown_plan = Planner(config(*words), kept_lists(config(*words), shards_of(few))).plan()
    more = config(
        *words, "arms={recon: null, chance: {policy: {kind: random}}, theirs: {policy: {kind: expert}}}"
    )
    plan = Planner(more, kept_lists(more, shards_of(grown_plan))).plan()
    cuts = {
        row: sorted(spec["last"] for other, spec in shards_of(plan) if other == row and "last" in spec)
        for row in ("recon", "theirs", "chance")
    }
    assert set(map(tuple, cuts.values())) == {(4, 6, 8, 10)}


def test_what_a_row_says_itself_stays_when_the_others_grow() -> None:
    """Also where it says what the ablation has anyway."""
    rows = "arms={recon: null, ten: {base: recon, set: {evaluation.sequences: 10, training.steps: 9}}}"
    there, asked = (config(rows, f"evaluation.sequences={count}") for count in (10, 12))
    assert grown(there, asked).evaluation.sequences == 12
    silent = config("arms={recon: null, ten: {base: recon, set: {training.steps: 9}}}")
    with pytest.raises(
        ConfigError, match=r"arms\.ten: evaluation\.sequences is 'as many as all' there and 10 here"
    ):
        grown(silent, config(rows))
