"""Attention of an arm over its seeds, and the words for what was looked at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from experiments.reconvla.report.attention_scores import AttentionScores, attention_note, over_seeds
from experiments.reconvla.report.parts.attention import Attention
from reports.data import RunReport
from reports.html import render_html
from reports.summary import summarise
from tests.reports.samples import made

FRAMES = [4, 1, 3, 2, 5, 3, 2, 4]


def scores(shift, demonstrations=8):
    """One seed: mass around 0.3 + shift, 0.1 more than the prior in every frame."""
    mass = 0.3 + shift + 0.02 * np.random.default_rng(1).normal(size=demonstrations)
    frames = FRAMES[:demonstrations]
    mean = float(np.average(mass, weights=frames))
    table = {
        "demonstration": list(range(demonstrations)),
        "frames": frames,
        "mass_in_gaze": mass.tolist(),
        "centre_mass_in_gaze": (mass - 0.1).tolist(),
        "pointing_accuracy": [0.5] * demonstrations,
        "centre_pointing_accuracy": [0.25] * demonstrations,
    }
    return AttentionScores(
        mean, 0.5, (0.0, 1.0), centre_mass_in_gaze=mean - 0.1, centre_entropy_bits=6.0, by_demonstration=table
    )


def test_one_seed_is_left_as_it_is():
    one = scores(0.0)
    assert over_seeds([one]) is one and over_seeds([]) is None


def test_means_and_intervals_over_seeds_and_demonstrations():
    arm = over_seeds([scores(-0.05), scores(0.0), scores(0.05)])
    assert arm.mass_in_gaze == pytest.approx(scores(0.0).mass_in_gaze)
    low, high = arm.mass_in_gaze_ci95
    assert low < arm.mass_in_gaze < high
    assert high - low > 0.05, "seeds differ by 0.1, which demonstrations alone would not show"
    assert arm.mass_over_centre_ci95 == pytest.approx((0.1, 0.1)), "paired: what frames share cancels"
    assert arm.pointing_over_centre_ci95 == pytest.approx((0.25, 0.25))
    assert arm.centre_entropy_bits == 6.0 and arm.entropy_bits is None and arm.entropy_bits_ci95 is None


def test_equal_seeds_leave_the_spread_of_demonstrations():
    low, high = over_seeds([scores(0.0)] * 3).mass_in_gaze_ci95
    frames, mass = np.array(FRAMES), np.array(scores(0.0).by_demonstration["mass_in_gaze"])
    drawn = np.random.default_rng(0).integers(len(frames), size=(4000, len(frames)))
    means = (mass * frames)[drawn].sum(axis=1) / frames[drawn].sum(axis=1)
    assert high - low == pytest.approx(np.subtract(*np.percentile(means, [97.5, 2.5])), rel=0.1)


@pytest.mark.parametrize(
    "others",
    [dataclasses.replace(scores(0.0), by_demonstration={}), scores(0.0, demonstrations=3)],
    ids=["not recorded", "other demonstrations"],
)
def test_without_the_same_demonstrations_there_is_no_interval(others):
    arm = over_seeds([scores(0.0), others])
    assert arm.mass_in_gaze_ci95 is None and arm.mass_in_gaze is not None


@pytest.mark.parametrize(
    ("layer", "layers", "heads", "words"),
    [
        (-1, 3, (), "The last of 3 layers, mean over all heads and the action tokens"),
        (2, 3, (), "The last of 3 layers, mean over all heads and the action tokens"),
        (1, 3, (0, 3), "Layer 1 of 3, counted from 0, mean over heads 0, 3 and the action tokens"),
        (-3, 3, (2,), "Layer 0 of 3, counted from 0, mean over head 2 and the action tokens"),
        (-1, None, (), "The last layer, mean over all heads and the action tokens"),
        (1, None, (), "Layer 1, mean over all heads and the action tokens"),
    ],
)
def test_layer_and_heads_are_named(layer, layers, heads, words):
    assert attention_note(AttentionScores(0.1, 0.2, layer=layer, layers=layers, heads=heads)) == words


def test_a_row_of_other_frames_or_heads_is_marked_with_what_was_looked_at():
    runs = tuple(RunReport(arm, seed, 1) for arm in ("a", "b") for seed in (0, 1))
    other = dataclasses.replace(scores(0.1), frames=7, true_boxes=2, layer=1, layers=3, centre_mass_in_gaze=0.125,
                                centre_pointing_accuracy=0.25)  # fmt: skip
    of_runs = {(run.arm, run.seed): scores(0.0) if run.arm == "a" else other for run in runs}
    apart = {(run.arm, run.seed): run.arm for run in runs}
    for looked_at, marked in ((apart, True), (dict.fromkeys(apart, "alike"), False)):
        data = made("x", runs, Attention(of_runs, (), looked_at))
        page = render_html(data, summarise(data))
        assert "held-out frames of 8 demonstrations" in page
        assert ("b, 2 seeds \N{DAGGER}</th>" in page) is marked
        told = "b, 2 seeds (Layer 1 of 3, counted from 0, mean over all heads and the action tokens; 7 frames, 2 with"
        assert (told in page) is marked and ("prior 0.125 and 0.250" in page) is marked
