"""What a planned ablation can find, as a document."""

from __future__ import annotations

import pytest

from experiments.design.design import Design
from experiments.design.measures import measure_named
from experiments.design.statement import Costs, Wanted, power_document
from experiments.reconvla.report.metric import TASKS_IN_A_ROW

DESIGN = Design(("baseline", "recon"), 3, 128)
WANTED = Wanted(measure_named(TASKS_IN_A_ROW, "1/5", "--measure"), 10.0, 0.8)


def test_the_cheapest_choice_weighs_trainings_against_sequences() -> None:
    costs = Costs(of_run=778.0, of_sequence=1.07)
    asked = power_document(DESIGN, TASKS_IN_A_ROW, [], 0, 0.8, WANTED, costs)["asked"]
    seconds = {option["sequences"]: option["worker_seconds"] for option in asked["options"]}
    assert seconds[128] == pytest.approx(11 * 2 * (778 + 128 * 1.07), rel=1e-3)
    assert asked["cheapest"] == min(seconds, key=lambda sequences: seconds[sequences]) == 256
    free = power_document(DESIGN, TASKS_IN_A_ROW, [], 0, 0.8, WANTED, Costs(1e6, 0.001))["asked"]
    assert free["options"][-1]["seeds"] == min(option["seeds"] for option in free["options"])


def test_what_nobody_timed_has_no_cheapest() -> None:
    asked = power_document(DESIGN, TASKS_IN_A_ROW, [], 0, 0.8, WANTED)["asked"]
    assert asked["cheapest"] is None and {option["worker_seconds"] for option in asked["options"]} == {None}


def test_a_share_that_nobody_measured_is_told_as_such() -> None:
    wanted = Wanted(measure_named(TASKS_IN_A_ROW, "success_5", "--measure"), 10.0, 0.8)
    assert power_document(DESIGN, TASKS_IN_A_ROW, [], 0, 0.8, wanted)["asked"]["options"] is None
