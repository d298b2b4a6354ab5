"""The page in a real browser: nothing is loaded, nothing complains, nothing sticks out, everybody can read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.design.decision import Rules, decide, models_of
from experiments.design.measures import measure_named
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.parts.looks import Looks
from reports.data import ReportData, RunReport
from reports.html import render_html
from reports.summary import summarise
from tests.reports.samples import full, open_loop, run

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, LAPTOP, DESK = (390, 844), (1280, 800), (1440, 900)

#: A4 at 96 px an inch, less the margins that browsers print with.
PAPER = (718, 1047)

#: Names of the tables that are wider than their place.
CUT_OFF = """[...document.querySelectorAll('.scroll')]
    .filter(part => part.scrollWidth > part.clientWidth).map(part => part.ariaLabel)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[full, open_loop], ids=["full", "open_loop"])
def page_file(request, tmp_path_factory) -> Path:
    data = request.param()
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render_html(data, summarise(data)), encoding="utf-8")
    return file


def of_many_seeds() -> ReportData:
    """With rows of long names, one of one word, twelve seeds and ten looks, and losses that nobody measured."""
    runs = tuple(
        replace(run(arm, seed, mean), title=title, device_seconds=14_000.0, losses=(), held_out_loss=None)
        for arm, title, mean in (
            ("baseline", "baseline", 1.6),
            ("recon", "model.override.language.rope_theta=1000000.0,training.reconstruction_weight=0.1", 2.4),
            ("own", "+ reconstruction loss of the gaze region, weight 10, from another tower", 2.6),
        )
        for seed in range(12)
    )
    data, looks = full(), ten_looks(runs)
    sections = tuple(
        replace(one, parts=tuple(looks if isinstance(part, Looks) else part for part in one.parts))
        for one in data.sections
    )
    return replace(data, runs=runs, sections=sections)


def ten_looks(runs: tuple[RunReport, ...]) -> Looks:
    """None of which decides."""
    rules = Rules("baseline", ("recon", "own"), "avg_len", 0.01, (1e-15,) * 10)
    measure = measure_named(TASKS_IN_A_ROW, rules.measure, "measure")
    models = models_of({(one.arm, one.seed): one.results or () for one in runs}, measure)
    return Looks(rules, measure, decide(rules, models), {one.arm: one.shown for one in runs})


@pytest.mark.parametrize("report", [full, open_loop, of_many_seeds])
def test_tables_are_whole_on_a_laptop_and_on_a_desk(browser, report, tmp_path):
    data = report()
    file = tmp_path / "report.html"
    file.write_text(render_html(data, summarise(data)), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    for size in (LAPTOP, DESK):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.evaluate(CUT_OFF) == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.close()


def violations(page) -> list[tuple[str, str]]:
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_in_a_window(browser, page_file, size, scheme):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", page_file.as_uri()))] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in paper.removeprefix("rgb(").rstrip(")").split(",")]
    assert (sum(channels) > 384) == (scheme == "light")
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper(browser, page_file, tmp_path, scheme):
    """White and whole: nothing scrolls on paper, so nothing may be wider than it."""
    context = browser.new_context(viewport={"width": PAPER[0], "height": PAPER[1]}, color_scheme=scheme)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.evaluate(CUT_OFF) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    for part in page.query_selector_all("details table"):
        assert part.is_visible(), "what is folded on the screen is printed"
    assert violations(page) == []
    page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.add_style_tag(content=".scroll table { min-width: 60rem }")
    assert page.evaluate(CUT_OFF), "a table wider than the paper would be seen"
    context.close()


def test_a_phone_shows_the_average_and_where_a_table_goes_on(browser, page_file):
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    page = context.new_page()
    page.goto(page_file.as_uri())
    shown = page.locator("table").first.locator("thead th:visible").all_inner_texts()
    assert shown[:2] == ["Method", "Avg. len."] and len(shown) == 8
    heading = page.locator("table").first.locator("thead th:visible").nth(1).bounding_box()
    assert heading["x"] + heading["width"] < PHONE[0]
    wide = page.evaluate(CUT_OFF)
    assert wide, "some table is wider than a phone, or the next line shows nothing"
    edges = "name => getComputedStyle(document.querySelector(`[aria-label='${name}']`)).backgroundImage"
    assert all("gradient" in page.evaluate(edges, name) for name in wide)
    page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
    shown = page.locator("table").first.locator("thead th:visible").all_inner_texts()
    assert shown[-2:] == ["Avg. len.", "n"] and len(shown) == 8
    context.close()


def test_axe_would_find_something(browser, tmp_path):
    """A page with faults, or the silence above shows nothing."""
    file = tmp_path / "bad.html"
    file.write_text("<html><body><img src=''><p style='color:#ddd;background:#fff'>pale</p></body></html>")
    page = browser.new_page()
    page.goto(file.as_uri())
    found = {one["id"] for one in axe.Axe().run(page).response["violations"]}
    assert {"image-alt", "color-contrast", "document-title"} <= found
    page.close()
