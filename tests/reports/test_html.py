import dataclasses
from html.parser import HTMLParser

import pytest

from reports.data import ReportData, RunReport
from reports.html import duration, render_html
from reports.summary import summarise
from tests.reports.samples import full, open_loop


class Page(HTMLParser):
    """Checks nesting and collects what the page would load, its ids and its labels."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.ids, self.images = [], [], [], []
        self.tags = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "img":
            self.images.append(values)
        self.loads += [values[name] for name in ("src", "href", "xlink:href", "srcset") if values.get(name)]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(data):
    return render_html(data, summarise(data))


@pytest.mark.parametrize("data", [full(), open_loop()], ids=["full", "open_loop"])
def test_page_is_well_formed_and_self_contained(data):
    text = page(data)
    parsed = Page(text)
    assert parsed.open == []
    assert all(
        address.startswith(("data:image/png;base64,", "data:video/mp4;base64,", "#"))
        for address in parsed.loads
    )
    assert "script" not in parsed.tags
    assert "@import" not in text
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert all(image["alt"] for image in parsed.images)


def test_the_same_data_give_the_same_page():
    assert page(full()) == page(full())


def test_everything_from_outside_is_escaped():
    evil = "<script>alert(1)</script>"
    data = dataclasses.replace(full(), ablation=evil, gaze_detector=evil, closed_loop_reason=evil)
    data = dataclasses.replace(data, runs=tuple(dataclasses.replace(run, arm=evil) for run in data.runs[:2]))
    text = page(data)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_absence_is_said_with_its_reason():
    text = page(open_loop())
    assert "not measured: no simulator of scene B on this machine" in text
    assert "A random policy was not measured." in text
    assert "0.0" not in text.split("<main>")[1]


def test_figures_and_names_are_on_the_page():
    text = page(full())
    for expected in (
        "random actions",
        "91.5 %",
        "misplaced 4",
        "3 preemptions, 1 lost worker",
        "9f9f9f",
        "Holm",
    ):
        assert expected in text


def test_one_arm_needs_no_comparison():
    assert "Comparisons" not in page(ReportData("x", (RunReport("a", 0, 1),)))


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (41, "41 s"), (185, "3 min 05 s"), (26400, "7 h 20 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_published_rows_are_marked_as_published():
    text = page(full())
    published = text[text.index('<tbody class="published">') : text.index("Intervals: Wilson")]
    assert published.count('<span class="tag">published</span>') == 3, "those of the arms that are measured"
    assert "for reference only" in published and "2508.10333" in published
    assert "published" not in text[: text.index('<tbody class="published">')].split("</style>")[1]


def test_sections_of_what_was_measured():
    text = page(full())
    for expected in ("Success by task", "open drawer", "What each epoch brought", "Gain per epoch",
                     "Reconstructions", "Failures", "worker lost", "what the model sees"):  # fmt: skip
        assert expected in text, expected
    bare = page(open_loop())
    for absent in ("Success by task", "What each epoch brought", "Reconstructions", "Failures"):
        assert absent not in bare, absent
