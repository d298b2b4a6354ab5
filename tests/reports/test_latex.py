import re
from dataclasses import replace

from reports.data import RunReport
from reports.latex import table_latex
from reports.summary import summarise
from tests.reports.samples import full, full_summary, made, open_loop


def rows(text):
    return [line for line in text.splitlines() if line.endswith(r"\\")]


def test_every_row_has_the_columns_of_the_table():
    for data in (full(), open_loop()):
        text = table_latex(data, summarise(data))
        assert text.startswith(r"\begin{tabular}{lrrrrrrr}")
        wide = [row for row in rows(text) if r"\multicolumn" not in row]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in wide} == {7}


def test_values_carry_their_intervals():
    summary = full_summary()
    arm = summary.arms[1]
    share = arm.estimates.shares[1]
    row = rows(table_latex(full(), summary))[2]
    assert f"{100 * share.value:.1f}_{{-{100 * (share.value - share.interval[0]):.1f}}}" in row
    assert "$90.0$" in row, "both seeds have it, so that there is no interval"
    assert r"60 $\times$ 2" in row


def test_published_rows_stand_apart_and_say_so():
    text = table_latex(full(), full_summary())
    measured, published = text.split(r"\multicolumn", 1)
    assert "Published, not comparable" in published and "49.0" in published
    assert "49.0" not in measured


def test_unmeasured_is_a_dash_and_names_are_escaped():
    data = made("x", (replace(RunReport("a", 0, 1), title="50 % of {this}_&"),))
    row = rows(table_latex(data, summarise(data)))[1]
    assert row.count("--") == 6
    assert r"50 \% of \{this\}\_\&" in row
