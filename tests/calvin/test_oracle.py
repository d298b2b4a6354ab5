from __future__ import annotations

from typing import Any

import pytest

from benchmark.tasks import TASKS
from calvin.oracle import CONDITIONS, TaskOracle
from errors import InvalidInput


def info(led: int) -> dict[str, Any]:
    return {"scene_info": {"lights": {"led": {"logical_state": led}}}}


def test_has_a_condition_for_every_task_in_official_order() -> None:
    assert tuple(CONDITIONS) == TASKS


def test_looks_only_at_what_the_asked_tasks_need() -> None:
    oracle = TaskOracle()
    assert oracle.solved(info(0), info(1), ("turn_on_led", "turn_off_led")) == {"turn_on_led"}
    assert oracle.solved(info(0), info(0), ["turn_on_led"]) == frozenset()
    assert oracle.solved(info(0), info(0), []) == frozenset()


def test_unknown_task() -> None:
    with pytest.raises(
        InvalidInput, match="Unknown CALVIN task 'fly'; the 34 tasks are rotate_red_block_right, "
    ):
        TaskOracle().solved(info(0), info(1), ["fly"])
