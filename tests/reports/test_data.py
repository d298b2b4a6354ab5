import pytest

from errors import InvalidInput
from reports.data import ReportData, RunReport


def test_arms_keep_the_order_of_their_first_run():
    runs = (RunReport("b", 0, 1), RunReport("a", 0, 1), RunReport("b", 1, 1))
    assert list(ReportData("x", runs).arms()) == ["b", "a"]
    assert [run.seed for run in ReportData("x", runs).arms()["b"]] == [0, 1]


def test_a_run_given_twice_is_refused():
    with pytest.raises(InvalidInput, match="twice"):
        ReportData("x", (RunReport("a", 0, 1), RunReport("a", 0, 2)))
