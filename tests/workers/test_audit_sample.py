"""Which work an audit does again, and how much of the rest that speaks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import comb

import pytest

from workers.audit_sample import Stratum, most_bad, sample, strata


@dataclass(frozen=True)
class Work:
    stratum: str
    number: int
    is_slice: bool = False


HOME = [
    *(Work("gaze", n) for n in range(1935)),
    *(Work("evaluate", n) for n in range(20)),
    Work("index", 0),
    *(Work("slices of train", n, True) for n in range(40)),
]


def test_no_kind_is_left_out_for_being_rare() -> None:
    for seed in range(5):
        assert Counter(unit.stratum for unit in sample(HOME, 2, 5, seed)) == {
            "gaze": 2, "evaluate": 2, "index": 1, "slices of train": 2,
        }  # fmt: skip


def test_a_sample_is_of_its_seed_and_in_the_order_of_the_work() -> None:
    first = sample(HOME, 3, 9, 4)
    assert first == sample(HOME, 3, 9, 4) != sample(HOME, 3, 9, 5)
    assert first == sorted(first, key=HOME.index)
    assert sample(HOME, None, 0, 1) == HOME[-40:] and len(sample(HOME, 0, 5000, 1)) == 1956


def test_what_equal_findings_speak_for_is_exact() -> None:
    for checked, of in ((3, 40), (59, 100_000), (5, 5), (1, 20)):
        most = most_bad(checked, of)
        assert comb(of - most, checked) >= 0.05 * comb(of, checked) or most == 0
        assert comb(of - most - 1, checked) < 0.05 * comb(of, checked) or most == of - checked
    assert most_bad(59, 100_000) / 100_000 == pytest.approx(0.05, abs=0.001)
    assert most_bad(3, 100_000) / 100_000 == pytest.approx(0.63, abs=0.01) and most_bad(5, 5) == 0


def test_by_kind_it_says_how_much_was_done_again() -> None:
    chosen = [HOME[0], HOME[1], HOME[1940], HOME[1955]]
    found = strata(HOME, chosen, [0, 1, 3])
    assert [one.sentence for one in found] == [
        "gaze: 2 of 1,935 done again, all equal: with 95 % confidence at most 1,501 of them differ",
        "evaluate: 1 of 20 done again, 0 equal",
        "index: 1 of 1 done again, all equal",
        "slices of train: 0 of 40 done again",
    ]
    assert found[1] == Stratum("evaluate", 1, 20, 0) and found[1].bad_at_most is None
