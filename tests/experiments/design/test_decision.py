"""When an arm ends: a function of the models and of what was set before."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.design.decision import Rules, decide, half_width, models_of, sentence_of
from experiments.design.measures import measure_named
from experiments.reconvla.report.metric import TASKS_IN_A_ROW

RULES = Rules("baseline", ("recon", "other"), "success_1", 10.0, (0.01, 0.02, 0.03))
BASELINE = [60.0, 62.0, 58.0, 61.0, 59.0]


def verdicts(**arms: list[float]) -> dict[str, tuple[str, int]]:
    return {one.arm: (one.verdict, len(one.looks)) for one in decide(RULES, {"baseline": BASELINE, **arms})}


def test_an_arm_ends_at_the_first_look_that_decides() -> None:
    far, near = [80.0, 83.0, 78.0, 81.0, 80.0], [61.0, 60.0, 59.0, 61.0, 60.0]
    assert verdicts(recon=far, other=near) == {"recon": ("better", 1), "other": ("within", 1)}
    assert verdicts(recon=[20.0, 22.0, 18.0])["recon"] == ("worse", 1)
    assert verdicts(recon=[60.0, 90.0, 75.0, 40.0, 70.0])["recon"] == ("undecided", 3)


def test_what_follows_of_an_end_changes_nothing_of_it() -> None:
    """Models that came later, of an arm that others share, are not looked at."""
    whole = decide(RULES, {"baseline": BASELINE, "recon": [80.0, 83.0, 78.0, 0.0, 0.0]})[0]
    first = decide(RULES, {"baseline": BASELINE[:3], "recon": [80.0, 83.0, 78.0]})[0]
    assert whole == first and whole.looks[-1].seeds == 3


def test_it_is_open_while_a_look_is_to_come() -> None:
    scattered = [60.0, 90.0, 75.0, 40.0]
    assert verdicts(recon=scattered[:2], other=[]) == {"recon": ("open", 0), "other": ("open", 0)}
    assert verdicts(recon=scattered)["recon"] == ("open", 2)
    assert decide(RULES, {})[0].verdict == "open"


def test_the_interval_is_that_of_the_looks_bound() -> None:
    models = [70.0, 72.0, 66.0]
    (look,) = decide(RULES, {"baseline": BASELINE, "recon": models})[0].looks
    found = stats.ttest_ind(models, BASELINE[:3], equal_var=False)
    expected = found.confidence_interval(1 - 0.01)
    assert look.interval == pytest.approx((expected.low, expected.high))
    assert look.p_value == pytest.approx(found.pvalue) and look.bound == 0.01
    assert (look.interval[0] > 0) == (look.p_value < look.bound)


def test_a_bound_itself_decides() -> None:
    models = [70.0, 72.0, 66.0]
    p = float(stats.ttest_ind(models, BASELINE[:3], equal_var=False).pvalue)
    for bound, verdict in ((p, "better"), (np.nextafter(p, 0), "open")):
        rules = Rules("baseline", ("recon",), "success_1", 1.0, (float(bound), 1e-9))
        assert decide(rules, {"baseline": BASELINE, "recon": models})[0].verdict == verdict


def test_where_nothing_varies_nothing_is_decided() -> None:
    (decision, _) = decide(RULES, {"baseline": [0.0] * 5, "recon": [0.0] * 5})
    assert decision.verdict == "undecided"
    assert [(look.interval, look.p_value) for look in decision.looks] == [(None, None)] * 3
    measure = measure_named(TASKS_IN_A_ROW, "success_1", "measure")
    assert "where nothing varies" in sentence_of(decision, measure)


def test_intervals_of_all_looks_hold_the_difference_together() -> None:
    """And what lies within the margin is seldom further away than that."""
    chance = np.random.default_rng(3)
    rules = Rules("baseline", ("recon",), "success_1", 8.0, (0.0195,) * 4)  # looks_bounds(6, 1)
    missed = wrong = 0
    for _ in range(150):
        models = {"baseline": list(chance.normal(60, 7, 6)), "recon": list(chance.normal(68, 7, 6))}
        (decision,) = decide(rules, models)
        missed += any(
            look.interval and not look.interval[0] < 8 < look.interval[1] for look in decision.looks
        )
        wrong += decision.verdict == "within"
    assert missed <= 0.05 * 150 + 8 and wrong <= missed


def test_models_are_in_the_order_of_their_seeds() -> None:
    measure = measure_named(TASKS_IN_A_ROW, "success_1", "measure")
    results = {("recon", 10): (5, 5), ("recon", 2): (1, 0), ("baseline", 0): (0, 0)}
    assert models_of(results, measure) == {"baseline": [0.0], "recon": [50.0, 100.0]}


def test_the_margin_that_is_out_of_reach() -> None:
    rules = Rules("baseline", ("recon",), "success_1", 10.0, (0.0114,) * 13)
    assert half_width(rules, 7.57) == pytest.approx(7.5, abs=0.1), "15 seeds"
