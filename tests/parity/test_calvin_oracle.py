"""`TaskOracle` against the official verdicts on states of the official simulator (`calvin_oracle.json`)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmark.tasks import TASKS
from calvin.oracle import TaskOracle

PARITY = Path(os.environ.get("BATON_PARITY", Path(__file__).parents[3] / "shared" / "parity"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    path = PARITY / "calvin_oracle.json"
    if not path.is_file():
        pytest.skip(f"recorded official outputs are absent: {path}")
    return json.loads(path.read_text())


def test_every_case(recorded: dict[str, Any]) -> None:
    assert recorded["cases"]
    oracle = TaskOracle()
    for number, case in enumerate(recorded["cases"]):
        start, end = (recorded["infos"][case[key]]["info"] for key in ("start", "end"))
        solved = oracle.solved(start, end)
        assert solved == set(case["solved"]), f"case {number} ({case['kind']})"


def test_one_task_at_a_time(recorded: dict[str, Any]) -> None:
    oracle = TaskOracle()
    for number, case in enumerate(recorded["cases"]):
        start, end = (recorded["infos"][case[key]]["info"] for key in ("start", "end"))
        solved = {task for task in TASKS if oracle.solved(start, end, (task,))}
        assert solved == set(case["solved"]), f"case {number} ({case['kind']})"


def test_recorded_task_names_are_ours(recorded: dict[str, Any]) -> None:
    solved = {task for case in recorded["cases"] for task in case["solved"]}
    assert solved <= set(TASKS)
