import json
from statistics import stdev

import pytest

from errors import InvalidInput
from reports.data import LossPoint, ReportData, RunReport
from reports.document import to_json
from reports.epochs import last_epochs_loss
from reports.latex import table_latex
from reports.metric import Metric
from reports.summary import summarise
from reports.table import not_comparable, table_csv, table_rows
from tests.reports.samples import full, full_summary, made, open_loop, open_loop_summary


def test_json_has_the_promised_structure():
    document = to_json(full(), full_summary())
    assert {"ablation", "arms", "comparisons", "gaze", "ledger"} <= set(document)
    arm_keys = {"arm", "seeds", "sequences", "success", "success_ci95", "avg_len", "avg_len_ci95"}
    arm_keys |= {"train_steps", "device_seconds", "goodput", "attention"}
    for arm in document["arms"]:
        assert arm_keys <= set(arm)
        assert {"mass_in_gaze", "pointing_accuracy"} <= set(arm["attention"])
        assert len(arm["success"]) == len(arm["success_ci95"]) == 5
        assert sum(arm["success"]) == pytest.approx(arm["avg_len"])
    assert {"a", "b", "delta_success5", "delta_ci95", "p_value"} <= set(document["comparisons"][0])
    for level in ("simple", "complex"):
        assert {"frames", "detected", "rate", "mean_iou"} <= set(document["gaze"][level])
    ledger_keys = {"useful_seconds", "replayed_seconds", "checkpoint_seconds", "load_seconds", "idle_seconds"}
    assert set(document["ledger"]) == ledger_keys | {"preemptions", "losses"}
    (weights,) = document["environment"]["final_weights"].items()
    assert weights == ("recon seed 0", {"path": f"artifacts/3a/{'3a' * 32}.safetensors", "sha256": "3a" * 32})


def test_json_equals_its_own_round_trip():
    for data, summary in ((full(), full_summary()), (open_loop(), open_loop_summary())):
        document = to_json(data, summary)
        assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_every_other_arm_is_compared_with_the_baseline():
    summary = full_summary()
    assert summary.baseline == "baseline"
    assert [(c.a, c.b) for c in summary.comparisons] == [
        ("baseline", "recon"),
        ("baseline", "recon_pretrain"),
    ]
    assert [(c.interval_of, c.seeds, c.sequences) for c in summary.comparisons] == [
        ("method", (2, 2), 60)
    ] * 2


def test_comparisons_in_json_are_of_methods_and_below_of_these_weights():
    summary = full_summary()
    document = to_json(full(), summary)
    assert (document["baseline"], document["primary_measure"]) == ("baseline", "avg_len")
    for found, comparison in zip(document["comparisons"], summary.comparisons, strict=True):
        main, primary, weights = comparison.main, found["primary"], comparison.weights
        assert {name: primary[name] for name in ("measure", "delta", "p_value", "holm", "interval_of", "seeds")} == {
            "measure": "avg_len", "delta": main.delta, "p_value": main.p_value, "holm": comparison.holm,
            "interval_of": "method", "seeds": [2, 2],
        }  # fmt: skip
        assert primary["interval"] == list(main.interval) and primary["p_value_is_reliable"] is False
        assert [one["measure"] for one in found["measures"]] == list(summary.metric.columns)
        assert all("p_value" not in one for one in found["measures"])
        assert [entry["k"] for entry in found["success"]] == [1, 2, 3, 4, 5]
        assert found["p_value"] is None and not any(name.endswith("holm") for name in found)
        assert found["p_value_these_weights"] == weights.success[-1].p_value
        assert found["p_value_avg_len_these_weights"] == weights.mean.p_value
        assert found["delta_success5"] == weights.success[-1].delta
        assert found["delta_ci95"] == list(weights.success[-1].ci95)


def test_what_cannot_be_compared_is_null():
    [found] = to_json(open_loop(), open_loop_summary())["comparisons"]
    assert (found["a"], found["b"], found["failed_seeds"]) == ("baseline", "recon", [0, 0])
    assert found["missing_seeds"] == [1, 1]
    assert found["cancelled_seeds"] == [0, 0]
    counts = {"seeds", "sequences", "failed_seeds", "missing_seeds", "cancelled_seeds"}
    rest = set(found) - {"a", "b"} - counts
    assert {found[name] for name in rest} == {None}


def test_losses_of_an_arm_are_means_over_its_seeds():
    data = full()
    arm = to_json(data, full_summary())["arms"][0]
    mine = [run for run in data.runs if run.arm == arm["arm"]]
    assert len(mine) > 1
    assert arm["held_out_loss"] == pytest.approx(sum(run.held_out_loss for run in mine) / len(mine))
    assert arm["training_loss"] == pytest.approx(sum(last_epochs_loss(run) for run in mine) / len(mine))


def test_unmeasured_is_null():
    document = to_json(open_loop(), open_loop_summary())
    arm = document["arms"][0]
    for name in ("success", "success_ci95", "avg_len", "avg_len_ci95", "device_seconds", "goodput"):
        assert arm[name] is None
    assert document["closed_loop_reason"] == "no simulator of scene B on this machine"
    assert document["random_policy"] is None
    assert document["gaze"]["simple"]["rate"] is None


def test_a_partial_sum_is_not_a_sum():
    runs = (RunReport("a", 0, 9, device_seconds=4.0, useful_seconds=3.0), RunReport("a", 1, 7))
    [arm] = summarise(made("x", runs)).arms
    assert arm.device_seconds is None
    assert arm.goodput is None
    assert arm.train_steps == 7


def test_seeds_without_results_do_not_count_as_zero():
    runs = (RunReport("a", 0, 9, results=(4, 4)), RunReport("a", 1, 9))
    [arm] = summarise(made("x", runs)).arms
    assert arm.mean == 4.0
    assert arm.seeds == (0, 1)
    assert arm.evaluated_seeds == (0,)


def test_losses_of_an_arm_are_means_over_the_same_seeds() -> None:
    """The third seed is trained and not judged yet: its loss is not averaged beside the others' held-out figures."""
    runs = [
        RunReport(
            "recon",
            seed,
            10,
            open_loop_error=error,
            held_out_loss=held_out,
            held_out_frames=None if error is None else 64,
            losses=(LossPoint(10, "action", loss),),
            steps_per_epoch=5.0,
        )
        for seed, error, held_out, loss in ((0, 0.2, 2.0, 1.0), (1, 0.4, 4.0, 3.0), (2, None, None, 100.0))
    ]
    (arm,) = summarise(made("mine", tuple(runs))).arms
    assert (arm.training_loss, arm.held_out_loss) == (2.0, 3.0)
    assert arm.open_loop_error == pytest.approx(0.3)
    assert (arm.held_out_seeds, arm.held_out_frames) == ((0, 1), 64)
    assert summarise(made("mine", (runs[2],))).arms[0].training_loss == 100.0


def test_a_row_that_was_judged_otherwise_is_marked_and_compared_with_nothing():
    alike = {"train_steps": 1, "held_out_by": "1"}
    data = ReportData(
        "mine",
        Metric("avg_len", "tasks", 5, "average length", "avg."),
        (
            RunReport("a", 0, results=(1, 2), judged_by="these", **alike),
            RunReport("b", 0, results=(2, 2), judged_by="these", **{**alike, "held_out_by": "2"}),
            RunReport("c", 0, results=(5, 5), judged_by="others", **alike),
        ),
        random_results=(0, 0),
        random_judged_by="these",
    )
    summary = summarise(data)
    assert [arm.comparable for arm in summary.arms] == [True, True, False]
    assert [arm.held_out_comparable for arm in summary.arms] == [True, False, True]
    assert [pair.main is not None for pair in summary.comparisons] == [True, False]
    assert [arm.p_value_random is None for arm in summary.arms] == [False, False, True]
    assert summary.arms[2].shown == "c †" and "c." in (not_comparable(summary) or "")
    assert "c $^\\dagger$" in table_latex(data, summary) and "false" in table_csv(summary).splitlines()[3]
    document = to_json(data, summary)
    assert [arm["comparable"] for arm in document["arms"]] == [True, True, False]


def test_chance_that_was_judged_otherwise_than_the_first_row_is_marked():
    metric = Metric("avg_len", "tasks", 5, "average length", "avg.")
    mine, other = (
        RunReport(arm, 0, results=(1, 2), judged_by=arm, train_steps=1) for arm in ("mine", "other")
    )
    for runs, comparable in (((mine, other), False), ((other, mine), True)):
        data = ReportData("x", metric, runs, random_results=(0, 0), random_judged_by="other")
        summary = summarise(data)
        assert summary.random_policy is not None and summary.random_policy.comparable is comparable
        assert ("random actions \N{DAGGER}" in [row.method for row in table_rows(summary)]) is not comparable
        assert ("random actions" in (not_comparable(summary) or "")) is not comparable


def test_a_first_seed_that_was_not_judged_yet_hides_no_mark():
    """And two rows are compared by what their judged seeds were judged on."""
    of_a, of_b = {"judged_by": "these", "held_out_by": "1"}, {"judged_by": "others", "held_out_by": "2"}
    runs = (
        RunReport("a", 0, 1, results=(1, 2), **of_a),
        RunReport("b", 0, 1),
        RunReport("b", 1, 1, results=(1, 2), **of_b),
        RunReport("c", 0, 1),
        RunReport("c", 1, 1, results=(2, 2), **of_b),
    )
    summary = summarise(ReportData("x", Metric("avg_len", "tasks", 5, "average length", "avg."), runs))
    assert [arm.comparable for arm in summary.arms] == [True, False, False]
    assert [arm.held_out_comparable for arm in summary.arms] == [True, False, False]
    assert [pair.main is not None for pair in summary.comparisons] == [False, False]
    other = summarise(
        ReportData("x", Metric("avg_len", "tasks", 5, "average length", "avg."), runs, baseline="b")
    )
    assert [(pair.b, pair.main is not None) for pair in other.comparisons] == [("a", False), ("c", True)]


def test_each_seed_and_what_the_interval_is_of_are_in_json():
    first = to_json(full(), full_summary())["arms"][0]
    runs = [run for run in full().runs if run.arm == "baseline"]
    means = [sum(run.results) / len(run.results) for run in runs]
    assert first["avg_len_of_seeds"] == pytest.approx(means)
    assert first["avg_len_sd_between_seeds"] == pytest.approx(stdev(means))
    assert first["interval_of"] == "method on these sequences"
    assert first["success_interval"][1] == list(full_summary().arms[0].estimates.shares[1].interval)
    alone = summarise(made("x", (RunReport("a", 0, 1, results=(0,) * 8),)))
    [arm] = to_json(made("x", ()), alone)["arms"]
    assert (arm["interval_of"], arm["avg_len_interval"], arm["avg_len_ci95"]) == ("weights", None, None)
    assert arm["success_interval"][0][1] == pytest.approx(0.3722, abs=1e-4), (
        "a trial knows of the other sequences"
    )


def test_a_baseline_or_a_measure_that_is_not_there_is_refused():
    runs = (RunReport("a", 0, 1), RunReport("chance", 0, None))
    for fields, told in (({"baseline": "chance"}, "baseline 'chance'"), ({"primary": "x"}, "no measure 'x'")):
        with pytest.raises(InvalidInput, match=told):
            made("x", runs, **fields)


def test_losses_are_compared_by_the_seeds_of_the_same_frames():
    def run(arm, seed, loss, frames="f"):
        return RunReport(arm, seed, 1, held_out_loss=loss, open_loop_error=loss / 10, held_out_by=frames)

    runs = (run("a", 0, 1.0), run("a", 1, 2.0), run("b", 0, 0.9), run("b", 1, 1.8), run("b", 2, 9.0))
    summary = summarise(made("x", (*runs, run("c", 0, 0.5, "others"))))
    pair, other = summary.losses
    assert pair.held_out_loss.delta == pytest.approx(-0.15) and pair.held_out_loss.seeds == (2, 2)
    assert pair.open_loop_error.delta == pytest.approx(-0.015)
    assert other.held_out_loss is None
    found = to_json(made("x", runs), summary)["held_out_comparisons"]
    assert (found[0]["held_out_loss"]["paired_seeds"], found[1]["held_out_loss"]) == (2, None)
