"""What a short trial's figures cannot mean is said at its top."""

from __future__ import annotations

import pytest

from reports.data import RunReport
from reports.html import render_html
from reports.meaning import meaning
from reports.summary import summarise
from tests.reports.samples import made


def told(*runs: RunReport) -> tuple[str, ...]:
    data = made("x", runs)
    return meaning(data, summarise(data))


def run(arm: str, steps: int, sequences: int, epoch: float | None = 70.0) -> RunReport:
    return RunReport(arm, 0, steps, (0,) * sequences, steps_per_epoch=epoch)


def test_less_than_one_pass_and_few_sequences_are_told() -> None:
    trained, judged = told(run("a", 20, 4), run("b", 30, 4))
    assert trained.startswith("Trained for 20 to 30 steps, less than one pass over the data: ")
    assert judged.startswith("4 sequences a run: even a rate of 0 or 100 % leaves 55 points open")
    assert told(run("a", 1, 1))[0].startswith("Trained for 1 step, ")


def test_a_difference_that_few_sequences_show_is_left_to_be_read() -> None:
    alike = told(run("a", 70, 19), run("b", 70, 19))
    apart = told(RunReport("a", 0, 70, (1,) * 18 + (0,)), run("b", 70, 19))
    assert alike[0].endswith("20 points open, so no order of the arms can be read from them.")
    assert apart[0].endswith("only what the comparisons call a difference can be read from them.")
    assert apart[1] == "Intervals of the average length are drawn from these few, and too narrow."
    assert len(alike) == 1, "nothing varies, and no interval is printed"
    assert told(run("a", 70, 19))[0].endswith("20 points open.")


@pytest.mark.parametrize(
    "runs", [[run("a", 70, 20)], [run("a", 20, 100), run("b", 70, 100)], [run("a", 5, 20, None)]]
)
def test_of_what_is_long_enough_nothing_is(runs: list[RunReport]) -> None:
    assert told(*runs) == ()


def test_it_stands_at_the_top_of_the_page_and_so_do_contents() -> None:
    data = made("x", (run("a", 20, 4), run("b", 20, 4)))
    page = render_html(data, summarise(data))
    assert page.index("less than one pass") < page.index("<main>")
    anchors = [section.anchor for section in data.sections]
    assert ('<nav class="contents"' in page) == (len(anchors) > 2)
