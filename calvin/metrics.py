"""CALVIN's scores: how many tasks of a chain were done in a row.

Definitions of `count_success` and `print_and_save` in calvin_models/calvin_agent/evaluation/utils.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from calvin.sequences import CHAIN_LENGTH
from errors import InvalidInput


@dataclass(frozen=True)
class ChainScores:
    """`success[k - 1]` is the fraction of sequences with at least k tasks done; `avg_len` the mean number."""

    sequences: int
    success: tuple[float, ...]
    avg_len: float


@dataclass(frozen=True)
class TaskScore:
    """How often a task was reached in a chain, and how often it was then done."""

    attempted: int
    succeeded: int


def chain_scores(results: Sequence[int], length: int = CHAIN_LENGTH) -> ChainScores:
    """Scores of `results`, one number of completed tasks (0..length) per sequence.

    Raises InvalidInput when there are no results or one is out of range: a score of nothing does not exist.
    """
    if not results:
        raise InvalidInput("There are no sequence results to score.")
    for position, result in enumerate(results):
        if not 0 <= result <= length:
            raise InvalidInput(f"Sequence result {position} is {result}; it must be 0 to {length} tasks.")
    total = len(results)
    success = tuple(sum(result >= k for result in results) / total for k in range(1, length + 1))
    return ChainScores(total, success, sum(results) / total)


def official_compat_scores(results: Sequence[int], length: int = CHAIN_LENGTH) -> ChainScores:
    """Scores as ReconVLA's released script prints them for one shard (official code, R6).

    It appends the mean to the results before it counts, so that rates are over one sequence more, and the
    mean itself counts as a sequence where it is a whole number.
    """
    plain = chain_scores(results, length)
    counted = [*map(float, results), plain.avg_len]
    success = tuple(
        sum(value in range(k, length + 1) for value in counted) / len(counted) for k in range(1, length + 1)
    )
    return ChainScores(plain.sequences, success, plain.avg_len)


def task_scores(results: Sequence[int], chains: Sequence[Sequence[str]]) -> dict[str, TaskScore]:
    """Scores by task over `results` of `chains` (task names in order), for the tasks that were attempted.

    A chain's tasks after the first failure were never attempted. Raises InvalidInput when the two differ in
    number or a result exceeds its chain.
    """
    if len(results) != len(chains):
        raise InvalidInput(f"There are {len(results)} results for {len(chains)} sequences.")
    attempted: Counter[str] = Counter()
    succeeded: Counter[str] = Counter()
    for position, (result, tasks) in enumerate(zip(results, chains)):
        if not 0 <= result <= len(tasks):
            raise InvalidInput(f"Sequence result {position} is {result}; its chain has {len(tasks)} tasks.")
        succeeded.update(tasks[:result])
        attempted.update(tasks[: result + 1])
    return {task: TaskScore(attempted[task], succeeded[task]) for task in sorted(attempted)}
