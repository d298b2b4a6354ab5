"""Keys of jobs are those that homes hold: work that is done is found again by the build of tomorrow.

What is stored, and how to make it anew, is in `tests/workers/plan_keys.py`. A key that differs from
`tests/data/plan_keys/current.json` is work that every home does once more: it differs because the old key gave a wrong
result, or it is a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.plans import Plan
from tests.workers.plan_keys import CASES, SHARED_CASES, plan_of, summary, workplace

pytestmark = pytest.mark.slow

STORED = Path(__file__).parents[1] / "data" / "plan_keys"
CURRENT: dict[str, Any] = json.loads((STORED / "current.json").read_text())


@pytest.fixture(scope="module")
def plannable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with workplace(tmp_path_factory.mktemp("plans")) as cases:
        yield cases


@pytest.fixture(scope="module", params=[*CASES, *SHARED_CASES])
def case(request: pytest.FixtureRequest, plannable: list[str]) -> str:
    if request.param not in plannable:
        pytest.skip("calvin_mini and calvin_assets are not here")
    return str(request.param)


@pytest.fixture(scope="module")
def plan(case: str) -> Plan:
    return plan_of(case)


def test_keys_are_those_of_the_last_build(case: str, plan: Plan) -> None:
    found = summary(plan.key, [(job.label, job.key) for job in plan.jobs])
    assert found == CURRENT["plans"][case]


def test_forty_plans_are_stored() -> None:
    assert CURRENT["plans"].keys() == CASES.keys() | SHARED_CASES.keys()
    assert len(CASES) >= 40
