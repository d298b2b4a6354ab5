"""What Celery, and with it Flower, is told of an attempt."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tasks.registry import KINDS
from workers.app import TASK_PREFIX, AttemptFailed, make_app, task_arguments


def run(job_ids: Sequence[int]) -> str:
    if 13 in job_ids:
        raise AttemptFailed("failed: RuntimeError: failure 1")
    return "succeeded"


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_attempt_is_a_failed_task_and_an_expected_one(kind: str) -> None:
    task = make_app("memory://", run).tasks[TASK_PREFIX + kind]
    assert task.apply(args=(1,)).state == "SUCCESS"
    failed = task.apply(args=(13,))
    assert failed.state == "FAILURE"
    assert str(failed.result) == "failed: RuntimeError: failure 1"
    assert isinstance(failed.result, task.throws)


def test_an_application_without_a_body_refuses_to_run() -> None:
    task = make_app("memory://").tasks[TASK_PREFIX + "train"]
    assert task.apply(args=(1,)).state == "FAILURE"


@pytest.mark.parametrize(
    ("kind", "label", "target_steps", "shown"),
    [
        ("train", "train explicit_grounding seed 10", 4500, "(explicit_grounding seed 10, steps 20-4500)"),
        ("evaluate", "evaluate recon_pretrain seed 2 sequences 112-127", 16,
         "(recon_pretrain seed 2 sequences 112-127)"),
        ("evaluate", "open-loop error baseline seed 0", 1, "(open-loop error baseline seed 0)"),
        ("report", "report", 1, "(report)"),
    ],
)  # fmt: skip
def test_arguments_do_not_say_the_tasks_name_again(
    kind: str, label: str, target_steps: int, shown: str
) -> None:
    assert task_arguments(kind, label, 20, target_steps) == shown
    assert len(shown) <= 45, "Flower would cut it"
