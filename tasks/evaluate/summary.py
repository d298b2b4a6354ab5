"""What comes out of an evaluation: success rates, average length, and the table by task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from calvin.metrics import chain_scores, official_compat_scores, task_scores
from tasks.evaluate.closed_loop import Entry


class TaskCounts(TypedDict):
    attempted: int
    succeeded: int


class Summary(TypedDict):
    """success: share of chains with at least 1..5 tasks in a row. avg_len: tasks in a row, on average."""

    sequences: int
    success: list[float]
    avg_len: float
    tasks: dict[str, TaskCounts]


def summary(entries: Sequence[Entry], official_compat: bool = False) -> Summary:
    """Success rates 1..5, average length and the table by task. Raises InvalidInput without entries."""
    done = [entry["done"] for entry in entries]
    scores = official_compat_scores(done) if official_compat else chain_scores(done)
    by_task = task_scores(done, [entry["tasks"] for entry in entries])
    return {
        "sequences": scores.sequences,
        "success": list(scores.success),
        "avg_len": scores.avg_len,
        "tasks": {
            task: {"attempted": score.attempted, "succeeded": score.succeeded}
            for task, score in by_task.items()
        },
    }
