import json

import pytest

from reports.data import LossPoint, ReportData, RunReport
from reports.epochs import last_epochs_loss
from reports.latex import table_latex
from reports.metric import Metric
from reports.summary import summarise, to_json
from reports.table import not_comparable, table_csv
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


def test_every_pair_of_arms_is_compared_and_corrected():
    comparisons = full_summary().comparisons
    assert [(c.a, c.b) for c in comparisons] == [
        ("baseline", "recon"),
        ("baseline", "recon_pretrain"),
        ("recon", "recon_pretrain"),
    ]
    assert all(d.p_value_holm >= d.p_value for c in comparisons for d in (*c.success, c.mean))
    assert any(c.success[0].p_value_holm > c.success[0].p_value for c in comparisons)


def test_comparisons_in_json_have_every_number_of_tasks():
    summary = full_summary()
    for found, comparison in zip(to_json(full(), summary)["comparisons"], summary.comparisons, strict=True):
        assert [entry["k"] for entry in found["success"]] == [1, 2, 3, 4, 5]
        assert [entry["p_value"] for entry in found["success"]] == [d.p_value for d in comparison.success]
        last, length = comparison.success[-1], comparison.mean
        assert (found["delta_success5"], found["p_value"], found["p_value_holm"]) == (
            last.delta,
            last.p_value,
            last.p_value_holm,
        )
        assert (found["delta_avg_len"], found["p_value_avg_len"], found["p_value_avg_len_holm"]) == (
            length.delta,
            length.p_value,
            length.p_value_holm,
        )
        assert found["delta_ci95"] == list(last.ci95)


def test_what_cannot_be_compared_is_null():
    [found] = to_json(open_loop(), open_loop_summary())["comparisons"]
    assert (found["a"], found["b"]) == ("baseline", "recon")
    assert {found[name] for name in set(found) - {"a", "b", "seeds", "sequences"}} == {None}


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
    assert [pair.mean is not None for pair in summary.comparisons] == [True, False, False]
    assert [arm.p_value_random is None for arm in summary.arms] == [False, False, True]
    assert summary.arms[2].shown == "c †" and "c." in (not_comparable(summary) or "")
    assert "c $^\\dagger$" in table_latex(data, summary) and "false" in table_csv(summary).splitlines()[3]
    document = to_json(data, summary)
    assert [arm["comparable"] for arm in document["arms"]] == [True, True, False]
