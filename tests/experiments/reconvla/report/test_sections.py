"""What scripts read of ReconVLA's report has the names and the order that it always had."""

from __future__ import annotations

from reports.document import to_json
from reports.html import render_html
from reports.table import table_csv
from tests.reports.samples import attention_scores, full, full_summary, open_loop, open_loop_summary

ARM = (
    "arm title seeds evaluated_seeds sequences success success_ci95 avg_len avg_len_ci95 train_steps slices "
    "device_seconds goodput open_loop_error training_loss held_out_loss held_out_frames held_out_seeds attention "
    "p_value_random comparable held_out_comparable failed_seeds success_interval avg_len_interval interval_of "
    "success_of_seeds avg_len_of_seeds success_sd_between_seeds avg_len_sd_between_seeds cancelled_seeds"
)
RUN = (
    "arm seed train_steps slices open_loop_error held_out_loss held_out_frames device_seconds useful_seconds results "
    "attention tasks attempts epochs failed"
)
PAIR = (
    "a b seeds sequences delta_success5 delta_ci95 p_value delta_avg_len delta_avg_len_ci95 p_value_these_weights "
    "p_value_avg_len_these_weights success primary measures failed_seeds with_failed_as_0 missing_seeds earlier_looks "
    "cancelled_seeds"
)
WHOLE = (
    "ablation ablation_id created_at state doing jobs interrupted_jobs failures findings baseline primary_measure arms "
    "comparisons adaptive held_out_comparisons random_policy closed_loop_reason closed_loop_warning videos "
    "videos_reason gaze gaze_pretraining data gaze_detector gaze_regions ledger ledger_by_kind runs environment"
)
TABLE = ",".join([
    "arm,method",
    *(f"{name},{name}_low,{name}_high,{name}_sd_between_seeds"
      for name in ("success_1", "success_2", "success_3", "success_4", "success_5", "avg_len")),
    "interval_of,evaluated_seeds,failed_seeds,sequences,train_steps,open_loop_error,training_loss,held_out_loss",
    "held_out_frames,comparable,held_out_comparable",
])  # fmt: skip
SECTIONS = (
    "Success on task sequences", "Comparisons", "Training", "Attention", "Gaze regions", "Where the time went",
    "To get the same again",
)  # fmt: skip


def test_names_and_their_order() -> None:
    document = to_json(full(), full_summary())
    assert list(document) == WHOLE.split()
    assert list(document["arms"][0]) == list(document["random_policy"]) == ARM.split()
    assert list(document["runs"][0]) == RUN.split() and list(document["comparisons"][0]) == PAIR.split()
    assert table_csv(full_summary()).splitlines()[0] == TABLE


def test_where_the_models_look_is_of_arms_and_of_runs() -> None:
    document = to_json(full(), full_summary())
    assert [run["attention"] is None for run in document["runs"]] == [True] * 2 + [False] * 4
    assert document["arms"][0]["attention"] == {"mass_in_gaze": None, "pointing_accuracy": None}
    assert document["arms"][1]["attention"]["mass_in_gaze"] == attention_scores().mass_in_gaze
    assert "by_demonstration" in document["runs"][2]["attention"]
    assert "by_demonstration" not in document["arms"][1]["attention"]


def test_the_page_has_its_sections_in_order() -> None:
    page = render_html(open_loop(), open_loop_summary())
    places = [page.index(f">{title}</h2>") for title in SECTIONS]
    assert places == sorted(places) and page.count("<h2") == len(SECTIONS), "no other dataset, no other gaze"


def test_the_table_has_the_columns_of_the_paper() -> None:
    assert full_summary().metric.headings == ("Method", "1/5", "2/5", "3/5", "4/5", "5/5", "Avg. len.", "n")
