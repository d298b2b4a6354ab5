import csv
import io
import re

from PIL import Image
from rich.console import Console

from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.comparisons import (
    NOT_COMPARED,
    comparison_rows,
    comparisons_csv,
    comparisons_latex,
    comparisons_png,
    comparisons_terminal,
    measures,
    p_words,
    signed,
)
from reports.data import ReportData, RunReport
from reports.summary import summarise
from tests.reports.samples import full_summary, made, open_loop_summary


def nineteen_of_twenty() -> ReportData:
    """One seed: `b` finishes one task in 19 of 20 sequences more than `a`, and never all five."""
    runs = (
        RunReport("a", 0, 1, results=(0,) * 20, title="first"),
        RunReport("b", 0, 1, results=(1,) * 19 + (0,), title="second"),
    )
    return made("x", runs)


def test_first_last_and_average_are_shown_with_both_p_values():
    [row] = comparison_rows(summarise(nineteen_of_twenty()))
    assert row.arms == "first → second"
    assert measures(TASKS_IN_A_ROW) == ("1/5", "5/5", "avg. len.")
    first, last, length = row.measures
    assert first.delta == "+95.0" and re.fullmatch(r"\d+\.\d to 100\.0", first.interval)
    assert (first.p, first.p_holm) == ("< 0.001", "< 0.001")
    assert (last.delta, last.interval, last.p, last.p_holm) == ("+0.0", "0.0 to 0.0", "1.000", "1.000")
    assert (length.delta, length.p) == ("+0.95", "< 0.001")


def test_holm_in_the_table_is_the_corrected_value():
    summary = full_summary()
    for row, comparison in zip(comparison_rows(summary), summary.comparisons, strict=True):
        assert row.measures[0].p == p_words(comparison.success[0].p_value)
        assert row.measures[0].p_holm == p_words(comparison.success[0].p_value_holm)


def test_csv_has_every_measure_and_reads_back():
    summary = full_summary()
    records = list(csv.DictReader(io.StringIO(comparisons_csv(summary))))
    assert [record["measure"] for record in records[:6]] == [
        *(f"success_{k}" for k in range(1, 6)),
        "avg_len",
    ]
    assert len(records) == 18
    assert float(records[0]["p_value_holm"]) == summary.comparisons[0].success[0].p_value_holm
    assert float(records[5]["low"]) == summary.comparisons[0].mean.ci95[0]
    absent = list(csv.DictReader(io.StringIO(comparisons_csv(open_loop_summary()))))
    assert len(absent) == 6 and {record["delta"] for record in absent} == {""}


def test_latex_has_the_columns_everywhere_and_dashes_for_what_was_not_compared():
    for summary, dashes in ((full_summary(), 0), (open_loop_summary(), 6)):
        text = comparisons_latex(summary)
        assert text.startswith(r"\begin{tabular}{lrrrrrr}")
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {6}
        assert rows[1].count("--") == dashes
    text = comparisons_latex(summarise(nineteen_of_twenty()))
    assert r"first $\rightarrow$ second & $+95.0_{" in text
    assert "$<0.001$ ($<0.001$)" in text


def test_terminal_table_fits_80_columns():
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    console.print(comparisons_terminal(full_summary()))
    lines = stream.getvalue().splitlines()
    assert "…" not in stream.getvalue()
    assert any(re.search(r"→ recon_pretrain +5/5 ", line) for line in lines)
    console.print(comparisons_terminal(open_loop_summary()))
    assert "not judged alike" in stream.getvalue()


def test_png_is_a_picture():
    for summary in (full_summary(), open_loop_summary()):
        assert Image.open(io.BytesIO(comparisons_png(summary))).size[0] == 1380
    assert comparison_rows(open_loop_summary())[0].measures == () and NOT_COMPARED


def test_signs_are_minus_signs():
    assert (signed(1.25, 1), signed(-0.25, 2), p_words(0.00099), p_words(0.001)) == (
        "+1.2",
        "−0.25",
        "< 0.001",
        "0.001",
    )
