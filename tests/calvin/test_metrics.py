from __future__ import annotations

import pytest

from calvin.metrics import TaskScore, chain_scores, official_compat_scores, task_scores
from errors import InvalidInput


def test_chain_scores() -> None:
    scores = chain_scores([5, 0, 2, 2, 1])
    assert scores.sequences == 5
    assert scores.success == (0.8, 0.6, 0.2, 0.2, 0.2)
    assert scores.avg_len == 2.0


def test_the_rates_add_up_to_the_average_length() -> None:
    scores = chain_scores([0, 1, 2, 3, 3, 5, 4])
    assert sum(scores.success) == pytest.approx(scores.avg_len)


def test_official_compat_counts_the_mean_as_one_more_sequence() -> None:
    scores = official_compat_scores([5, 0, 2, 2, 2])  # mean 2.2: in the denominator only
    assert scores.success == pytest.approx((4 / 6, 4 / 6, 1 / 6, 1 / 6, 1 / 6))
    assert scores.avg_len == 2.2
    assert official_compat_scores([5, 1, 3]).success == pytest.approx((4 / 4, 3 / 4, 3 / 4, 1 / 4, 1 / 4))


def test_shorter_chains() -> None:
    assert chain_scores([1, 2], length=2).success == (1.0, 0.5)


@pytest.mark.parametrize(
    ("results", "message"),
    [([], "no sequence results"), ([3, 6], "result 1 is 6; it must be 0 to 5"), ([-1], "result 0 is -1")],
)
def test_chain_scores_refuses(results: list[int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        chain_scores(results)


def test_task_scores_stop_at_the_first_failure() -> None:
    assert task_scores([2, 0, 3], [("a", "b", "c"), ("a", "b", "c"), ("c", "b", "a")]) == {
        "a": TaskScore(attempted=3, succeeded=2),
        "b": TaskScore(attempted=2, succeeded=2),
        "c": TaskScore(attempted=2, succeeded=1),
    }


@pytest.mark.parametrize(
    ("results", "chains", "message"),
    [([1], [], "1 results for 0 sequences"), ([2], [("a",)], "result 0 is 2; its chain has 1 tasks")],
)
def test_task_scores_refuses(results: list[int], chains: list, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        task_scores(results, chains)
