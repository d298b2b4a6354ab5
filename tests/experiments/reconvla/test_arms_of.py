"""Arms are data: what their entries mean, what they share, and what is wrong with them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from errors import ConfigError, DatasetError
from experiments.reconvla.arms import Arm, arms_of, built_in
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from experiments.reconvla.shown_rows import rows_of
from tests.experiments.reconvla.plans import keys, of_kind

MINE = "arms={recon: null, heavy: {base: recon, title: '+ weight 10', set: {training.reconstruction_weight: 10}}}"


def arms(*overrides: str) -> dict[str, Arm]:
    return {arm.name: arm for arm in arms_of(load_config("smoke", None, overrides))}


def planned(*overrides: str):
    return Planner(load_config("smoke", None, overrides)).plan()


def test_an_entry_says_what_differs() -> None:
    found = arms(MINE)
    assert list(found) == ["recon", "heavy"]
    assert found["heavy"].title == "+ weight 10"
    assert found["heavy"].config.training.reconstruction_weight == 10
    assert found["heavy"].method == found["recon"].method != arms("arms=[baseline]")["baseline"].method
    assert found["heavy"].differs == {"method.reconstruction": "gaze", "training.reconstruction_weight": 10.0}
    assert found["heavy"].judged.training == load_config("smoke").training, "judged as all are"


def test_bases_come_first_and_nested_settings_are_laid_over_them() -> None:
    found = arms(
        "arms={a: {base: recon, set: {training: {steps: 30, batch_size: 4}}}, "
        "b: {base: a, set: {training.steps: 40, training.lora: {rank: 2}}}, c: {base: b, set: {training.lora: null}}}"
    )
    assert [(arm.config.training.steps, arm.config.training.batch_size) for arm in found.values()] == [
        (30, 4), (40, 4), (40, 4),
    ]  # fmt: skip
    assert found["b"].config.training.lora is not None and found["b"].config.training.lora.rank == 2
    assert found["c"].config.training.lora is None


BASED = """
a: {base: recon, title: A, set: {training: {steps: 30, batch_size: 4}}}
b: {base: a, set: {training.steps: 40}}
c: {base: b, judged: own, set: {training.learning_rate: 0.1}}
"""


def test_rows_that_are_chosen_keep_what_others_gave_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("arms:\n" + textwrap.indent(BASED, "  "))
    whole = {arm.name: arm for arm in arms_of(load_config("smoke", file))}
    (alone,) = arms_of(load_config("smoke", file, arms=["c"]))
    assert (alone.title, alone.config, alone.judged) == (
        whole["c"].title,
        whole["c"].config,
        whole["c"].judged,
    )
    both = load_config("smoke", file, arms=["c", "recon", "a"])
    assert [arm.name for arm in arms_of(both)] == ["c", "recon", "a"]
    varied = load_config("smoke", file, vary=["training.batch_size=1,2"])
    assert [(arm.config.training.steps, arm.config.training.batch_size) for arm in arms_of(varied)] == [
        (30, 1), (30, 2), (40, 1), (40, 2), (40, 1), (40, 2),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"unknown arm 'bb'; known arms: .*\bb, c; did you mean b\?"):
        load_config("smoke", file, arms=["bb"])


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("{training: {steps: 3}, training.steps: 4}", "training.steps"),
        ("{training.lora.rank: 3, training: {lora: null}}", "training.lora"),
    ],
)
def test_a_setting_twice_in_an_arm_is_told(said: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"arms: {{a: {{set: {said}}}}}")
    with pytest.raises(ConfigError, match=rf"mine.yaml: arms\.a\.set: {key} is given twice$"):
        load_config("smoke", file)


def test_what_planning_finds_wrong_with_an_arm_is_told_with_its_name() -> None:
    with pytest.raises(DatasetError, match=r"^arms\.a: /nowhere/at/all is not a folder"):
        planned("arms={a: {set: {data.root: /nowhere/at/all}}}")


def test_an_ablation_has_so_many_rows_at_most(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(
        "arms:\n" + "".join(f"  a{n}: {{set: {{training.steps: {n + 1}}}}}\n" for n in range(1001))
    )
    with pytest.raises(ConfigError, match=r"many.yaml: arms: 1,001 rows; an ablation has at most 1,000"):
        load_config("smoke", file)


def test_the_papers_arms_are_such_entries() -> None:
    said = "arms={" + ", ".join(
        f"my_{name}: {{base: {name}, set: {{training.steps: 20}}}}" for name in built_in()
    ) + "}"  # fmt: skip
    mine, theirs = planned(said), planned(f"arms=[{','.join(built_in())}]")
    for kind in ("train", "pretrain", "evaluate", "attention", "reconstruct", "ingest", "gaze", "index"):
        assert keys(mine)[kind] == keys(theirs)[kind], (
            "equal settings are the same work, however they are named"
        )


def test_arms_share_all_that_does_not_differ() -> None:
    one, both = planned("arms=[recon]"), planned(MINE)
    assert len(of_kind(both, "train")) == 2
    for kind in ("ingest", "gaze", "index"):
        assert keys(both)[kind] == keys(one)[kind]


def test_an_arm_may_have_data_and_detector_of_its_own_and_is_judged_as_all_are() -> None:
    plan = planned(
        "arms={recon: null, more: {base: recon, set: {data.demonstrations_per_task: 2}}, "
        "truth: {base: recon, set: {gaze.detector: oracle}}}"
    )
    train = {run.arm: job for job in of_kind(plan, "train") for run in job.runs}
    indexes = {arm: [need.key for need in job.needs if need.role == "index"] for arm, job in train.items()}
    assert len({str(found) for found in indexes.values()}) == 3
    judging = [job for job in of_kind(plan, "attention") + of_kind(plan, "evaluate") if job.runs]
    read = {need.key for job in judging for need in job.needs if need.role == "index"}
    assert len(read) == 1, "one validation set for all"
    loops = {
        run.arm: job.spec["contents"]
        for job in judging
        if "contents" in job.spec
        for run in job.runs
        if job.spec["first"] == 0
    }
    assert len({str(found) for found in loops.values()}) == 1


def test_an_arm_that_says_so_is_judged_on_its_own() -> None:
    said = "arms={recon: null, more: {base: recon, judged: own, set: {data.validation_demonstrations_per_task: 2}}}"
    found = arms(said)
    assert found["more"].judged.data.validation_demonstrations_per_task == 2
    read = {
        run.arm: need.key
        for job in of_kind(planned(said), "attention")
        for run in job.runs
        for need in job.needs
        if need.role == "index"
    }
    assert read["more"] != read["recon"]


def test_regions_that_a_model_is_shown_are_those_of_its_own_detector() -> None:
    found = arms("arms={crop: {base: explicit_grounding, set: {gaze.detector: oracle}}}")
    assert found["crop"].judged.gaze.detector == "oracle"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("{a: {base: recno}}", "arms.a.base: unknown arm 'recno'; did you mean recon?"),
        ("{a: null}", "unknown arm 'a'"),
        ("{a: {base: b}, b: {base: c}, c: {base: b}}", "arms.b.base: bases go in a circle: b -> c -> b"),
        ("{a: {base: a}}", "arms.a.base: bases go in a circle: a -> a"),
        ("{a: {base: recon, set: {training.stepz: 3}}}", "unknown key 'training.stepz'; did you mean training.steps?"),
        ("{a: {base: recon, set: {traning.steps: 3}}}", "arms.a.set: unknown key 'traning.steps'"),
        ("{a: {base: recon, set: {training.steps: -3}}}", "arms.a.set: training.steps: "),
        ("{a: {base: recon, sett: {}}}", "did you mean set?"),
        ("{a: {base: recon, training.steps: 3}}", "stands in its `set`: arms.a.set.training.steps"),
        ("{a: {base: recon, training: {steps: 3}}}", "stands in its `set`: arms.a.set.training"),
        ("{a: {base: recon, x: 3}}", "a row has base, title, set, judged, policy"),
        (
            "{a: {policy: {kind: random}, base: recon}}",
            "'arms.a.base'; a row with a policy is judged and not trained, so it has policy and title alone",
        ),
        ("{a: {policy: {kind: random}, set: {training.steps: 3}}}", "so it has policy and title alone"),
        ("{a: {base: b}, b: {policy: {kind: random}}}", "b is a policy, which has no settings to begin with"),
        ("{a: {base: recon, set: {training.steps: many}}}", "(got 'many')"),
        (
            "{a: {set: {training.steps: 3}, title: x}, b: {set: {training.steps: 4}, title: x}}",
            "arms.b.title: a is called 'x' too",
        ),
        ("{a: {base: recon, set: {seeds: [3]}}}", "arms.a.set: seeds is of the whole ablation"),
        ("{a: {base: recon, set: {data.chunk: 3}}}", "arms.a.set: data.chunk is of the whole ablation"),
        (
            "{a: {base: recon, set: {evaluation: {sequences_per_shard: 3}}}}",
            "arms.a.set: evaluation.sequences_per_shard is of the whole ablation",
        ),
        (
            "{a: {set: {method.pretrained: true, pretraining.reconstruction_weight: 3}}}",
            "pretraining.reconstruction_weight changes nothing in an arm that reconstructs nothing",
        ),
        ("{recon: {set: {training.steps: 3}}}", "arms.recon: a built-in arm has this name"),
        (
            "{recon: null, same: {base: recon, set: {training.reconstruction_weight: 1}}}",
            "arms.same: it comes to the same as recon",
        ),
        (
            "{recon: null, same: {base: recon, set: {training.slice_seconds: 9}}}",
            "arms.same.set: training.slice_seconds makes no row: it says how the work is done, and nothing of what",
        ),
        ("{a: {policy: {kind: expert}}, b: {policy: {kind: expert}, title: two}}", "arms.b: it comes to the same as a"),
        (
            "{a: {base: baseline, set: {training.reconstruction_weight: 10}}}",
            "arms.a.set: training.reconstruction_weight changes nothing in an arm that reconstructs nothing",
        ),
        ("{a: {base: recon, set: {pretraining.steps: 3}}}", "arms.a.set: pretraining.steps changes nothing in"),
        ("{a: {base: recon, set: {training.reconstruction_weight: 0}}}", "reconstruction_weight: with 0 nothing is"),
        ("{a: {base: recon, set: {training: null}}}", "training: it has settings of its own, so a mapping stands here"),
        ("{a: {base: recon, set: {training.lora: off}}}", "training.lora: null turns it off, and a mapping on"),
        (
            "{a: {base: recon, set: {training.learning_rate: 1e+10}}}",
            "arms.a: training.learning_rate: Input should be less than or equal to 1000000000",
        ),
        (
            "{a: {base: recon, set: {training.steps.x: 3}}}",
            "unknown key 'training.steps.x'; training.steps is a value, with no keys below it",
        ),
        ("{a: {base: recon, set: {steps: 3}}}", "did you mean training.steps or pretraining.steps?"),
        ("{a: {set: {evaluation.video_attention: true}}}", "video_attention changes nothing in an arm of whose"),
        ("{a: {set: {gaze.detector: oracle}}}", "arms.a.set: gaze.detector changes nothing in an arm that neither"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_the_arm_and_the_key(said: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(f"arms={said}")
    assert sentence in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_the_place_that_wrote_an_arm_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("arms: {a: {base: recno}}\n")
    with pytest.raises(ConfigError, match=rf"^{file}: arms\.a\.base: unknown arm"):
        load_config("smoke", file)


def test_what_differs_in_a_row_is_shown_with_what_it_was() -> None:
    arms = (
        "arms={less: {base: baseline, set: {training.early_stopping: null}}, "
        "more: {base: baseline, set: {training.lora: {rank: 2}, training.early_stopping.frames: 3}}, "
        "chance: {policy: {kind: random, seed: 3}}, luck: {policy: {kind: random}}, "
        "served: {policy: {kind: http, url: 'http://127.0.0.1:9', chunk_steps: 3}}}"
    )
    said = ("training.early_stopping={every_steps: 5}", arms)
    rows = {str(row["name"]): row["differs"] for row in rows_of(load_config("smoke", None, said))}
    early = {"every_steps": 5, "frames": 64, "window": 3, "min_gain": 0.01}
    assert rows == {
        "less": {"training.early_stopping": {"from": early, "to": None}},
        "more": {
            "training.lora": {"from": None, "to": {"rank": 2, "alpha": 32, "four_bit": False}},
            "training.early_stopping.frames": {"from": 64, "to": 3},
        },
        "chance": {"policy.seed": {"from": 0, "to": 3}},
        "luck": {},
        "served": {
            "policy.url": {"from": None, "to": "http://127.0.0.1:9"},
            "policy.chunk_steps": {"from": 5, "to": 3},
        },
    }
