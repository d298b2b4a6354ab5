import dataclasses
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments.reconvla.report.gaze_data import GazeScores
from experiments.reconvla.report.parts.attention import Attention, AttentionPanel
from experiments.reconvla.report.parts.gaze import Gaze
from reports.data import RunReport
from reports.html import render_html
from reports.numbers import duration
from reports.parts.films import Films
from reports.summary import summarise
from tests.reports.samples import attention_scores, full, full_summary, made, open_loop, run


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


@cache
def full_page():
    return render_html(full(), full_summary())


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
    assert full_page() == page(full())


def test_everything_from_outside_is_escaped():
    evil = "<script>alert(1)</script>"
    runs = tuple(dataclasses.replace(run, arm=evil) for run in full().runs[:2])
    gaze = Gaze({"simple": GazeScores(1, 1, 1.0, 1.0)}, detector=evil)
    data = made(evil, runs, gaze, Films(reason=evil), closed_loop_reason=evil)
    text = page(data)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_absence_is_said_with_its_reason():
    text = page(open_loop())
    assert "not measured: no simulator of scene B on this machine" in text
    assert "A random policy was not measured." in text
    assert "0.0" not in text.split("<main>")[1]


def test_figures_and_names_are_on_the_page():
    text = full_page()
    for expected in (
        "random actions",
        "91.5 %",
        "misplaced 4",
        "Attempts of its jobs: 3 preempted, 1 lost with its worker.",
        "9f9f9f",
        "Holm",
    ):
        assert expected in text


def one_arm(*parts, **fields):
    """Two seeds of which only the attention was measured: a page that is quick to make."""
    runs = tuple(RunReport("recon", seed, 1) for seed in (0, 1))
    scores = {("recon", seed): attention_scores() for seed in (0, 1)}
    return made("mine", runs, Attention(scores), *parts, **fields)


def test_final_weights_are_named_with_their_digest():
    page = full_page()
    assert f'weights of recon seed 0</th><td class="text"><code>artifacts/3a/{"3a" * 32}.safetensors' in page
    assert f"(SHA-256 {'3a' * 32})" in page


def test_an_ablation_that_half_failed_does_not_look_whole():
    jobs = {"blocked": 3, "running": 0, "succeeded": 37, "failed": 2}
    text = page(one_arm(state="failed", jobs=jobs, failures=("train recon seed 0: no <space> left",)))
    head = text[: text.index("<main>")]
    assert '<p class="warning">Failed: 37 of 42 jobs have succeeded, 3 blocked, 2 failed.</p>' in head
    assert "train recon seed 0: no &lt;space&gt; left" in head


def test_the_lead_says_how_far_it_is_and_when():
    done = page(one_arm(state="succeeded", jobs={"succeeded": 42, "failed": 0}, created_at=1_795_450_980.0))
    head = done[: done.index("<main>")].split("</style>")[1]
    assert "All 42 jobs have succeeded." in head and "Written 2026-11-23 16:23 UTC." in head
    assert "warning" not in head
    under_way = page(one_arm(state="running", jobs={"running": 1, "succeeded": 41}))
    assert "Not finished (running): 41 of 42 jobs have succeeded, 1 running." in under_way


def test_the_lead_does_not_call_running_what_nobody_does():
    jobs = {"blocked": 1, "running": 2, "succeeded": 39}
    text = page(one_arm(state="running", jobs=jobs, doing="interrupted", interrupted_jobs=2))
    assert "Not finished (interrupted): 39 of 42 jobs have succeeded, 1 blocked, 2 interrupted." in text


def test_many_failures_are_counted():
    text = page(
        one_arm(jobs={"failed": 20}, state="failed", failures=tuple(f"job {n}: no" for n in range(20)))
    )
    assert "job 7: no" in text and "job 8: no" not in text and "and 12 more" in text


def test_attention_names_its_layer_and_heads_and_the_prior():
    scores = dataclasses.replace(
        attention_scores(), layer=1, layers=3, heads=(0, 3), centre_entropy_bits=4.567,
        pointing_over_centre_ci95=(0.21, 0.39),
    )  # fmt: skip
    panel = AttentionPanel(
        np.zeros((48, 48, 3), np.uint8), None, "open it", (("recon", np.ones((6, 6), np.float32)),)
    )
    text = page(made("x", (RunReport("recon", 0, 1),), Attention({("recon", 0): scores}, (panel,))))
    section = text[text.index('<h2 id="attention">') : text.index('<h2 id="gaze">')]
    assert "Layer 1 of 3, counted from 0, mean over heads 0, 3 and the action tokens." in section
    assert ">4.57<" in section and "+0.300<small>0.210 to 0.390</small>" in section
    assert "all heads" not in section


def test_seeds_are_shown_beneath_their_arm():
    section = page(one_arm()).split('<h2 id="attention">')[1]
    assert "compare none. 64 held-out frames, 64 of them" in section
    first, second, third = (part.split("</th>")[0] for part in section.split('<th scope="row">')[1:4])
    assert (first, second, third) == ("recon, 2 seeds", "seed 0", "seed 1")


def test_the_curve_beside_the_losses_is_named_for_what_it_is():
    measured = run("recon", 0, 2.4)
    data = made("x", (RunReport("recon", 0, 300, curves=measured.curves),))
    text = page(data)
    assert "It stands in for success" in text and 'aria-label="Curve of open loop: error over' in text
    without = RunReport("recon", 0, 300, curves=measured.curves[:3])
    assert "stands in for success" not in page(made("x", (without,)))


def test_why_there_are_no_films():
    text = page(one_arm(Films(reason="evaluation.videos is 0")))
    assert "No films of failures: evaluation.videos is 0." in text and "<h3>Failures" not in text


def test_one_arm_needs_no_comparison():
    assert "Comparisons" not in page(made("x", (RunReport("a", 0, 1),)))


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (41, "41 s"), (185, "3 min 05 s"), (26400, "7 h 20 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_published_rows_are_marked_as_published():
    text = full_page()
    published = text[text.index('<tbody class="published">') : text.index("% intervals. ")]
    assert published.count('<span class="tag">published</span>') == 3, "those of the arms that are measured"
    assert "for reference only" in published and "2508.10333" in published
    assert "published" not in text[: text.index('<tbody class="published">')].split("</style>")[1]


def test_sections_of_what_was_measured():
    text = full_page()
    for expected in ("Success by task", "open drawer", "What each epoch brought", "Gain per epoch",
                     "Reconstructions", "Failures", "worker lost", "what the model sees"):  # fmt: skip
        assert expected in text, expected
    bare = page(open_loop())
    for absent in ("Success by task", "What each epoch brought", "Reconstructions", "Failures"):
        assert absent not in bare, absent
