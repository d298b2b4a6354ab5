import csv
import io
from dataclasses import replace

import pytest
from PIL import Image
from rich.console import Console

from reports.data import RunReport
from reports.estimates import Estimate
from reports.last_look import LastLook
from reports.summary import Summary, summarise
from reports.table import (
    NOT_MEASURED,
    failed_lines,
    interval_captions,
    printed_interval,
    table_csv,
    table_png,
    table_rows,
    terminal_table,
)
from tests.reports.samples import full, full_summary, made, open_loop, open_loop_summary, results


def test_rows_are_the_published_columns():
    rows = table_rows(full_summary())
    assert [row.method for row in rows] == ["baseline", "recon", "recon_pretrain", "random actions"]
    assert rows[0].trials == "60 × 2"
    assert rows[-1].reference
    assert rows[-1].success[0] == "3.3"


def test_no_interval_is_printed_without_a_width():
    """One success of 6000 with three seeds: 0.0 %, which is not 0 to 0."""
    runs = tuple(RunReport("a", seed, 1, results=(0,) * 1999 + (int(seed == 2),)) for seed in range(3))
    [row] = table_rows(summarise(made("x", runs)))
    assert (row.success[0], row.success_ci[0]) == ("0.0", "0.0–0.2")


def test_a_printed_interval_holds_the_printed_value():
    for interval, told in (
        ((0.0061, 0.0124), "0.6–1.2"),
        ((0.0061, 0.0064), "0.61–0.64"),
        ((0.62, 0.79), "62–79"),
    ):
        value = sum(interval) / 2
        low, high = map(
            float, printed_interval(Estimate(value, (value,), None, interval), 100, 0, 1).split("–")
        )
        assert low <= 100 * value <= high and f"{low:g}–{high:g}" == told


def test_the_caption_says_what_n_is_and_what_an_interval_is_not():
    assert interval_captions(full_summary()).endswith("n: sequences × seeds.")
    alone = interval_captions(summarise(made("x", (RunReport("a", 0, 1, results=(0, 0)),))))
    assert "No interval where nothing varies" in alone and alone.endswith("n: sequences.")
    runs = tuple(RunReport(arm, seed, 1, results=results(seed, 1.5)) for arm in "ab" for seed in range(3))
    look = {"b": LastLook(3, "open", None, None, 0.009, 0.25, 8)}
    fixed, looked = (
        interval_captions(summarise(made("x", runs, last_looks=looks))) for looks in (None, look)
    )
    assert "as if the number of seeds had been fixed" in looked and "fixed" not in fixed


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"a": ((0, 0),)}, "between the sequences of one seed (in Avg. len. alone), which"),
        ({"a": ((0, 0), (0, 0))}, "between seeds (in any column), which"),
        (
            {"a": ((0, 0),), "b": ((0, 1), (1, 0))},
            "between the sequences of one seed (in Avg. len. alone) or between seeds (in any column), which",
        ),
        ({"a": ((0, 5),)}, None),
        ({"a": ((0, 5, 0), (5, 5, 5))}, None),
    ],
)
def test_the_caption_says_what_has_no_interval(
    arms: dict[str, tuple[tuple[int, ...], ...]], said: str | None
) -> None:
    """Of one seed every share has one; of several no figure in which their means are alike."""
    runs = [
        RunReport(arm, seed, 1, results=played)
        for arm, seeds in arms.items()
        for seed, played in enumerate(seeds)
    ]
    summary = summarise(made("x", tuple(runs)))
    caption = interval_captions(summary)
    assert (f"No interval where nothing varies {said}" in caption) if said else ("No interval" not in caption)
    for arm in summary.arms:
        assert arm.estimates is not None
        if len(arms[arm.arm]) == 1:
            assert all(share.interval is not None for share in arm.estimates.shares)


def test_seeds_that_are_in_no_figure_are_told_by_what_became_of_them():
    runs = (
        RunReport("a", 0, 1, results=(0, 5)),
        RunReport("a", 1, 1, failed="diverged"),
        RunReport("a", 2, 1, cancelled=True),
        RunReport("a", 3, 1),
    )
    assert failed_lines(summarise(made("x", runs))) == [
        "Failed, and in no figure of the table: a 1 of 4 seeds (1).",
        "Seeds that were cancelled: a 2.",
        "Seeds that are not judged yet: a 3.",
    ]


def test_unmeasured_rows_say_so():
    row = table_rows(open_loop_summary())[0]
    assert set(row.success) == {NOT_MEASURED}
    assert row.trials == "0"


def test_terminal_table_fits_90_columns_and_gives_the_reason():
    stream = io.StringIO()
    console = Console(file=stream, width=90)
    console.print(terminal_table(full(), full_summary()))
    assert "recon_pretrain" in stream.getvalue()
    assert "…" not in stream.getvalue()
    console.print(terminal_table(open_loop(), open_loop_summary()))
    assert "no simulator of scene B" in stream.getvalue()


def wide_summary() -> Summary:
    """As wide as figures get: three digits at both ends, many sequences and seeds, long names."""
    summary = full_summary()
    estimates = summary.arms[0].estimates
    assert estimates is not None
    share = replace(estimates.mean, value=1.0, interval=(0.995, 1.0))
    mean = replace(estimates.mean, value=4.981, interval=(4.912, 5.0))
    widest = replace(estimates, shares=(share,) * 5, mean=mean)
    title = "reconstruction of the whole picture, with a weight of ten"
    arms = [
        replace(arm, title=title, estimates=widest, sequences=1000, evaluated_seeds=tuple(range(10)))
        for arm in summary.arms
    ]
    return replace(summary, arms=tuple(arms))


@pytest.mark.parametrize("columns", [80, 99, 100, 120])
def test_no_figure_is_cut_at_80_columns(columns: int):
    stream = io.StringIO()
    console = Console(file=stream, width=columns)
    summary = wide_summary()
    console.print(terminal_table(full(), summary, columns))
    told = stream.getvalue()
    for low, high, count in (("99.5", "100.0", 5), ("4.91", "5.00", 1)):
        ends = (f"{low}–", f" {high} ") if columns < 100 else (f"{low}–{high}",)
        assert min(told.count(end) for end in ends) >= count * len(summary.arms)
    assert told.count("1000 × 10") == len(summary.arms)
    assert "…" not in told and max(map(len, told.splitlines())) <= columns
    stream.truncate(0)
    console.print(terminal_table(open_loop(), open_loop_summary(), columns))
    assert "…" not in stream.getvalue()


def test_intervals_are_in_one_line_where_that_has_room():
    stream = io.StringIO()
    summary = full_summary()
    Console(file=stream, width=96).print(terminal_table(full(), summary, 96))
    intervals = [below for row in table_rows(summary) for _, below in row.cells if below]
    assert intervals and all(interval in stream.getvalue() for interval in intervals)


def test_csv_reads_back():
    summary = full_summary()
    records = list(csv.DictReader(io.StringIO(table_csv(summary))))
    assert len(records) == 4
    assert float(records[1]["success_5"]) == summary.arms[1].success[4]
    assert float(records[1]["success_5_low"]) == summary.arms[1].estimates.shares[4].interval[0]
    [first, _] = csv.DictReader(io.StringIO(table_csv(open_loop_summary())))
    assert first["success_1"] == first["avg_len"] == ""


def test_png_is_a_picture():
    for data in (full(), open_loop()):
        image = Image.open(io.BytesIO(table_png(data, summarise(data))))
        assert image.size[0] == 1380
