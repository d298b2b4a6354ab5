import csv
import io
import re

from PIL import Image
from rich.console import Console

from reports.comparisons import (
    NOT_COMPARED,
    comparison_rows,
    comparisons_csv,
    comparisons_latex,
    comparisons_png,
    comparisons_terminal,
    measures,
    methods,
)
from reports.data import ReportData, RunReport
from reports.last_look import LastLook
from reports.numbers import p_words, signed
from reports.summary import summarise
from tests.reports.samples import full_summary, made, open_loop_summary, results


def nineteen_of_twenty() -> ReportData:
    """One seed: `b` finishes one task in 19 of 20 sequences more than `a`, and never all five."""
    runs = (
        RunReport("a", 0, 1, results=(0,) * 20, title="first"),
        RunReport("b", 0, 1, results=(1,) * 19 + (0,), title="second"),
    )
    return made("x", runs)


def test_the_primary_measure_comes_first_and_alone_has_p():
    summary = summarise(nineteen_of_twenty())
    [row] = comparison_rows(summary)
    assert (row.arms, row.seeds) == ("first → second", "1, 1")
    assert measures(summary) == ("avg. len.", "1/5", "5/5")
    length, first, last = row.measures
    assert (length.delta, length.p) == ("+0.95", "< 0.001*")
    assert first.delta == "+95.0" and re.fullmatch(r"\d+\.\d to 100\.0", first.interval) and first.p == ""
    assert (last.delta, last.interval, last.p) == ("0.0", "all sequences are alike", "")
    assert "these two models" in methods(summary) and "Welch" not in methods(summary)


def test_another_measure_is_primary_where_it_is_said():
    runs = nineteen_of_twenty().runs
    summary = summarise(made("x", runs, primary="success_1"))
    assert measures(summary) == ("1/5", "5/5", "avg. len.")
    assert [shown.p for shown in comparison_rows(summary)[0].measures] == ["< 0.001*", "", ""]


def test_holm_is_a_mark_and_two_seeds_are_told_of():
    """Two arms: p 0.018 and one that is no difference."""
    summary = full_summary()
    marks = [(comparison.main.p_value, comparison.holm) for comparison in summary.comparisons]
    rows = comparison_rows(summary)
    for row, (p, holm) in zip(rows, marks, strict=True):
        assert row.measures[0].p == p_words(p) + ("*" if holm else "") + "?"
    assert {holm for _, holm in marks} == {True, False} or len({holm for _, holm in marks}) == 1
    assert "neither p nor the interval can be relied on" in methods(summary) and "Welch" in methods(summary)


def test_csv_has_every_measure_and_reads_back():
    summary = full_summary()
    records = list(csv.DictReader(io.StringIO(comparisons_csv(summary))))
    assert [record["measure"] for record in records[:6]] == [
        *(f"success_{k}" for k in range(1, 6)),
        "avg_len",
    ]
    assert len(records) == 12
    main = summary.comparisons[0].main
    assert float(records[5]["p_value"]) == main.p_value and float(records[5]["low"]) == main.interval[0]
    assert records[5]["holm"] == str(summary.comparisons[0].holm).lower()
    assert [record["p_value_is_reliable"] for record in records[4:6]] == ["", "false"], "two seeds"
    assert {record["p_value"] for record in records if record["primary"] == "false"} == {""}
    absent = list(csv.DictReader(io.StringIO(comparisons_csv(open_loop_summary()))))
    assert len(absent) == 6 and {record["delta"] for record in absent} == {""}


def three_arms(**more) -> ReportData:
    runs = [
        RunReport(arm, seed, 1, results=results(7 * seed + place, 1.5))
        for place, arm in enumerate("abc")
        for seed in range(3)
    ]
    return made("x", tuple(runs), **more)


def test_everything_that_is_written_says_what_it_leaves_out_and_does_not_know_of():
    data = three_arms(looks=({"a": 2, "b": 2, "c": 1},))
    lost = (
        RunReport("c", 8, 1, failed="diverged"),
        RunReport("a", 8, 1, failed="lost"),
        RunReport("b", 9, 1),
        RunReport("b", 10, 1, cancelled=True),
    )
    summary = summarise(made("x", (*data.runs, *lost), looks=data.looks))
    said = methods(summary)
    assert "n: seeds of each, on 60 sequences" in said
    assert "Seeds that failed are in no figure: 1 of a, 1 of c." in said
    assert "Seeds that were cancelled are in no figure: 1 of b." in said
    assert "Seeds that are not judged yet are in no figure: 1 of b." in said
    assert "where p says 5\N{NO-BREAK SPACE}%: b 5." in said, "c had one seed, which is no look"
    assert f"% {said}" in comparisons_latex(summary)
    first, *_, last = csv.DictReader(io.StringIO(comparisons_csv(summary)))
    assert (first["failed_a"], first["failed_b"], first["missing_b"]) == ("1", "0", "1")
    assert 0.05 < float(first["error_of_looks"]) < 0.08 and last["error_of_looks"] == ""


def test_holm_counts_the_arms_that_have_a_p():
    summary = summarise(made("x", (*three_arms().runs[:6], RunReport("c", 0, 1, results=(0,) * 60))))
    assert "correction for one comparison, which changes nothing" in methods(summary)
    nothing = summarise(made("x", tuple(RunReport(arm, 0, 1, results=(0, 0)) for arm in "ab")))
    assert "Holm" not in methods(nothing)


def test_with_adaptive_seeds_the_table_has_the_looks_interval_and_no_other():
    look = LastLook(3, "better", (0.1, 0.9), 0.004, 0.009, 0.25, 8)
    data = three_arms(last_looks={"b": look, "c": LastLook(3, "open", (-0.3, 0.9), 0.02, 0.009, 0.25, 8)})
    summary = summarise(data)
    b, c = comparison_rows(summary)
    assert (b.measures[0].interval, b.measures[0].p, c.measures[0].p) == ("0.10 to 0.90", "0.004*", "0.020")
    assert {shown.interval for shown in b.measures[1:]} == {"seeds ended by looks"}
    said = methods(summary)
    assert "Seeds were added as looks asked" in said and "0.009" in said and "Holm" not in said
    record = next(
        row for row in csv.DictReader(io.StringIO(comparisons_csv(summary))) if row["primary"] == "true"
    )
    assert (record["verdict_of_looks"], record["holm"]) == ("better", "")
    verdicts = [row["verdict_of_looks"] for row in csv.DictReader(io.StringIO(comparisons_csv(summary)))]
    assert verdicts == [*[""] * 5, "better", *[""] * 5, "open"], "of the primary measure alone"


def test_latex_has_the_columns_everywhere_and_dashes_for_what_was_not_compared():
    for summary, dashes in ((full_summary(), 0), (open_loop_summary(), 4)):
        text = comparisons_latex(summary)
        assert text.startswith(r"\begin{tabular}{lrrrrr}")
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
        assert rows[1].count("--") == dashes
    text = comparisons_latex(summarise(nineteen_of_twenty()))
    assert r"first $\rightarrow$ second & 1, 1 & $+0.95_{" in text
    assert "$<0.001^{*}$" in text and "$0.0$" in text


def test_terminal_table_fits_80_columns():
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    console.print(comparisons_terminal(full_summary()))
    assert "…" not in stream.getvalue()
    assert any(re.search(r"→ recon_pretrain +1/5 ", line) for line in stream.getvalue().splitlines())
    console.print(comparisons_terminal(open_loop_summary()))
    assert "not judged, or not judged alike" in " ".join(stream.getvalue().split())


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
