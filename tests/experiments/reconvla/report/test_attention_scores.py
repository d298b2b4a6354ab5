"""Attention of an arm over its seeds, and the words for what was looked at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from experiments.reconvla.report.attention_scores import (
    AttentionScores,
    attention_note,
    over_demonstrations,
    over_seeds,
)
from experiments.reconvla.report.parts.attention import Attention
from reports.arm_intervals import t_intervals
from reports.data import RunReport
from reports.grouped import grouped_share_interval
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


def test_of_few_seeds_the_interval_is_over_these_on_the_same_demonstrations():
    arm = over_seeds([scores(-0.05), scores(0.0), scores(0.05)])
    assert arm.mass_in_gaze == pytest.approx(scores(0.0).mass_in_gaze)
    seeds = np.array([scores(shift).mass_in_gaze for shift in (-0.05, 0.0, 0.05)])
    assert arm.mass_in_gaze_ci95 == pytest.approx(t_intervals(seeds, 1.0))
    assert arm.mass_over_centre_ci95 is None, (
        "paired: what frames share cancels, and nothing is left that varies"
    )
    assert arm.centre_entropy_bits == 6.0 and arm.entropy_bits is None and arm.entropy_bits_ci95 is None


def test_seeds_that_are_alike_have_no_interval_of_no_width():
    assert over_seeds([scores(0.0)] * 3).mass_in_gaze_ci95 is None


def simulated(random, seeds):
    """Of 27 demonstrations: log odds of the mass scatter by 0.3 between seeds, 0.5 between demonstrations."""
    frames = random.integers(3, 16, 27)
    demonstrations = -4 + 0.5 * random.standard_normal(27)
    table = {"demonstration": list(range(27)), "frames": frames.tolist()}
    made_up = []
    for effect in 0.3 * random.standard_normal(seeds):
        mass = expit(demonstrations + effect + 0.3 * random.standard_normal(27))
        made_up.append(
            AttentionScores(
                float(np.average(mass, weights=frames)),
                0.0,
                by_demonstration={**table, "mass_in_gaze": mass.tolist()},
            )
        )
    return made_up, np.average(expit_mean(demonstrations, 0.3**2 + 0.3**2), weights=frames)


def expit_mean(middle, variance):
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    return expit(np.asarray(middle)[..., None] + np.sqrt(variance) * nodes) @ weights / weights.sum()


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_of_arms_hold_what_they_say_in_nine_of_ten(seeds):
    random, held = np.random.default_rng(3), 0
    for _ in range(200):
        few, here = simulated(random, seeds)
        low, high = over_seeds(few).mass_in_gaze_ci95
        held += low <= (here if seeds < 5 else expit_mean(-4, 0.5**2 + 0.3**2 + 0.3**2)) <= high
    assert held / 200 >= 0.9


def test_intervals_of_one_model_are_over_whole_demonstrations():
    table = scores(0.0).by_demonstration
    found = over_demonstrations(table)
    hits = (np.array(table["mass_in_gaze"]) * FRAMES).tolist()
    assert found["mass_in_gaze_ci95"] == grouped_share_interval(hits, FRAMES)
    low, high = found["mass_over_centre_ci95"]
    assert -1 < low < 0.1 < high < 1
    never = over_demonstrations({**table, "pointing_accuracy": [0.0] * 8})
    assert never["pointing_accuracy_ci95"] == pytest.approx((0.0, 0.324), abs=1e-3), "Wilson's of 0 of 8"
    assert "static_share_ci95" not in found and over_demonstrations({}) == {}


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
