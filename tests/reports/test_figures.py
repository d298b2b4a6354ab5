import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from matplotlib.figure import Figure

from reports.curves import curve_svgs
from reports.data import LossPoint, RunReport, Slice
from reports.dots import differences_svg, success_svg
from reports.figure_files import figure_files
from reports.html import render_html
from reports.parts.device_time import DeviceTime, Ledger, ledger_svg
from reports.summary import summarise
from reports.svg import ARM_COLOURS
from tests.reports.samples import full, full_summary, made, open_loop, open_loop_summary, part


def test_svgs_are_well_formed_and_take_the_pages_ink():
    svgs = [
        success_svg(full_summary()),
        differences_svg(full_summary()),
        ledger_svg(part(full(), DeviceTime).by_kind),
        *curve_svgs(full()).values(),
    ]
    assert len(svgs) == 7
    for svg in svgs:
        root = ElementTree.fromstring(svg)
        assert root.attrib["viewBox"]
        assert "currentColor" in svg
        assert "#010203" not in svg


def test_nothing_measured_draws_nothing():
    assert success_svg(open_loop_summary()) is None
    assert differences_svg(open_loop_summary()) is None
    assert curve_svgs(open_loop()) == {}
    assert ledger_svg({}) is None
    assert ledger_svg({"train": Ledger()}) is None


def test_names_are_escaped_in_svg():
    run = RunReport("<b>&", 0, 1, losses=(LossPoint(0, "action", 1.0), LossPoint(1, "action", 0.5)))
    svg = curve_svgs(made("x", (run,)))["action loss"]
    assert "<b>" not in svg
    ElementTree.fromstring(svg)


def test_long_names_leave_a_chart_its_size():
    """They break; charts of one page are drawn at one width, so a wide legend would make all else small."""
    titles = {
        "recon": "model.override.language.rope_theta=1000000.0,training.reconstruction_weight=0.1",
        "recon_pretrain": "+ reconstruction loss of the gaze region, weight 10, from another tower",
    }
    runs = tuple(replace(run, title=titles.get(run.arm)) for run in full().runs)
    long = replace(full(), runs=runs)
    drawn, usual = [
        [success_svg(summarise(data)), differences_svg(summarise(data)), *curve_svgs(data).values()]
        for data in (long, full())
    ]
    for one, other in zip(drawn, usual, strict=True):
        assert _size(one)[0] < 1.3 * _size(other)[0]
        told = "".join(re.findall(r">([^<>]+)<", one)).replace("\n", "").replace(" ", "")
        assert titles["recon"] in told
    assert _size(drawn[1])[1] > _size(usual[1])[1], "rows of several lines have room"


def _size(svg: str) -> tuple[float, float]:
    """Width and height."""
    _, _, width, height = ElementTree.fromstring(svg).attrib["viewBox"].split()
    return float(width), float(height)


def test_every_measured_curve_is_drawn_but_no_standard_error():
    assert set(curve_svgs(full())) == {
        "action loss", "reconstruction loss", "validation: action", "open loop: error"
    }  # fmt: skip


def test_of_lines_that_coincide_those_beneath_are_wider():
    def run(arm: str, value: float) -> RunReport:
        return RunReport(arm, 0, 9, losses=(LossPoint(0, "action", 1.0), LossPoint(9, "action", value)))

    def widths(*values: float) -> list[str]:
        drawn = curve_svgs(made("x", tuple(run(arm, value) for arm, value in zip("abcdefgh", values))))[
            "action loss"
        ]
        colours = [colour.lower() for colour in ARM_COLOURS[:3]]
        lines = [
            re.findall(rf"stroke: {colour}; stroke-width: ([0-9.]+)", drawn, re.IGNORECASE)
            for colour in colours
        ]
        return [found[0] if found else "1.5" for found in lines]

    assert widths(0.5, 0.502, 0.498) == ["5.5", "3.5", "1.5"]
    assert widths(0.5, 0.6, 0.501) == ["3.5", "1.5", "1.5"]
    assert widths(0.5, 0.6, 0.7) == ["1.5", "1.5", "1.5"]
    assert float(widths(*[0.5] * 8)[0]) == 11.5, "many hide no legend"


def test_charts_are_files_of_their_own():
    files = figure_files(full(), full_summary())
    assert set(files) == {
        "figure-success.svg", "figure-comparisons.svg", "figure-action-loss.svg", "figure-reconstruction-loss.svg",
        "figure-validation-action.svg", "figure-open-loop-error.svg",
    }  # fmt: skip
    for content in files.values():
        assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    assert figure_files(open_loop(), open_loop_summary()) == {}


def test_charts_of_the_page_and_of_the_files_are_drawn_once(monkeypatch):
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *of, **how: (saved.append(of), save(*of, **how)))
    data, summary = full(), summarise(full())
    render_html(data, summary)
    drawn = len(saved)
    assert len(figure_files(data, summary)) >= 6 and drawn and len(saved) == drawn


def test_names_that_make_one_file_name_are_numbered():
    points = tuple(
        LossPoint(1, name, value)
        for name, value in (("a b", 1.0), ("a-b", 2.0), ("a/b", 3.0), ("a b 2", 4.0))
    )
    data = made("x", (RunReport("arm", 0, 1, (), curves=points),))
    files = figure_files(data, summarise(data))
    assert sorted(name for name in files if name.startswith("figure-a")) == [
        "figure-a-b-2.svg", "figure-a-b-3.svg", "figure-a-b-4.svg", "figure-a-b.svg"
    ]  # fmt: skip
    assert len(set(files.values())) == len(files)


def test_ends_of_attempts_are_marked_by_cause():
    losses = tuple(LossPoint(step, "action", 1.0) for step in range(0, 101, 10))
    whole = RunReport("a", 0, 100, losses=losses, attempts=(Slice(0, 100, 9.0, "succeeded"),))
    cut = replace(whole, attempts=(Slice(0, 40, 4.0, "preempted"), Slice(40, 100, 5.0, "succeeded")))
    assert "preempted" not in curve_svgs(made("x", (whole,)))["action loss"]
    drawn = curve_svgs(made("x", (cut,)))["action loss"]
    assert "preempted" in drawn
    assert "worker lost" not in drawn


def test_an_end_before_the_first_measurement_has_no_mark():
    """Else it would float where no line is."""
    late = tuple(LossPoint(step, "open_loop/error", 0.2) for step in (50, 100))
    run = RunReport(
        "a", 0, 100, curves=late, attempts=(Slice(0, 20, 4.0, "lost"), Slice(20, 70, 4.0, "preempted"))
    )
    drawn = curve_svgs(made("x", (run,)))["open loop: error"]
    assert "worker lost" not in drawn and "preempted" in drawn


def test_the_ledger_is_in_the_unit_that_fits():
    for seconds, unit in ((30.0, "seconds"), (600.0, "minutes"), (9000.0, "hours")):
        drawn = ledger_svg({"train": Ledger(useful_seconds=seconds), "report": Ledger(useful_seconds=0.0)})
        assert f"device time ({unit})" in drawn
        assert "train" in drawn
        assert "report" not in drawn, "what took no time has no bar"


def test_a_bar_of_which_a_part_was_not_measured_says_so() -> None:
    whole = Ledger(5.0, 0.0, 1.0, 1.0, 1.0)
    drawn = ledger_svg({"train": replace(whole, idle_seconds=None), "evaluate": whole})
    assert drawn is not None
    assert "train (in part)" in drawn and "evaluate (in part)" not in drawn
