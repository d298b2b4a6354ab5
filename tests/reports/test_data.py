from dataclasses import replace

import pytest

from errors import InvalidInput
from reports.data import RunReport
from reports.document import to_json
from reports.parts.reproduction import DataSource, Reproduction
from tests.reports.samples import made


def test_arms_keep_the_order_of_their_first_run():
    runs = (RunReport("b", 0, 1), RunReport("a", 0, 1), RunReport("b", 1, 1))
    assert list(made("x", runs).arms()) == ["b", "a"]
    assert [run.seed for run in made("x", runs).arms()["b"]] == [0, 1]


def test_a_run_given_twice_is_refused():
    with pytest.raises(InvalidInput, match="twice"):
        made("x", (RunReport("a", 0, 1), RunReport("a", 0, 2)))


def test_a_validation_that_was_trained_on_says_so() -> None:
    held_out = DataSource("validation", "debug", 9, {"D": 9}, "egl")
    assert held_out.told == "debug: 9 demonstrations, scenes: 9 in D, drawn by egl"
    shared = replace(held_out, not_held_out=7)
    assert shared.told == (
        "debug: 9 demonstrations, scenes: 9 in D, drawn by egl; frames of 7 of them were trained on too: figures of"
        " validation are not of held-out data"
    )
    first, second = to_json(made("x", (), Reproduction(sources=(held_out, shared))))["data"]
    assert "not_held_out" not in first and second["not_held_out"] == 7
