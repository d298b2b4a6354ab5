"""Keys of jobs are those that homes hold: work that is done is found again by the build of tomorrow.

What is stored, and how to make it anew, is in `tests/experiments/reconvla/plan_keys.py`. A key that differs from
`tests/data/plan_keys/current.json` is work that every home does once more: it differs because the old key gave a wrong
result, or it is a mistake. What differs from 753aa3a, the build whose homes people have, is the closed list
`tasks.changes`, each entry with a test of the wrong result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from db.plans import Plan
from tasks.changes import KEYS
from tasks.registry import KINDS
from tests.experiments.reconvla.old_keys import TESTS, UNDO, old_keys
from tests.experiments.reconvla.plan_keys import CASES, SHARED_CASES, plan_of, summary, workplace
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

STORED = REPOSITORY / "tests" / "data" / "plan_keys"
CURRENT: dict[str, Any] = json.loads((STORED / "current.json").read_text())
OLD: dict[str, Any] = json.loads((STORED / "753aa3a.json").read_text())

#: In these, an edited file said what drew the training frames; and what pretrained folders say was not read.
SAYS_EGL = "recorded data, clone, a configuration says egl"
SAYING, SILENT = "folders that say what no tensor shows", "folders"


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


def test_without_the_closed_list_keys_are_those_of_753aa3a(case: str, plan: Plan) -> None:
    def put_back(kind: str, label: str, spec: dict[str, Any]) -> None:
        if case == SAYS_EGL and "frames_renderer" in spec:
            spec["frames_renderer"] = "egl"
        elif case == SAYING and "model" in spec:
            spec["model"]["config"] = _configs(SILENT)[kind, label]

    assert summary(*old_keys(plan, OLD["versions"], put_back)) == OLD["plans"][case]


@cache
def _configs(case: str) -> dict[tuple[str, str], Any]:
    return {
        (job.kind, job.label): json.loads(json.dumps(job.spec["model"]["config"]))
        for job in plan_of(case).jobs
        if "model" in job.spec
    }


def test_forty_plans_are_stored() -> None:
    assert CURRENT["plans"].keys() == OLD["plans"].keys() == CASES.keys() | SHARED_CASES.keys()
    assert len(CASES) >= 40


def test_each_change_has_a_test_of_the_wrong_result() -> None:
    fields = {change.field for change in KEYS}
    assert fields == TESTS.keys() == {*UNDO, "frames_renderer", "renderer", "model.config"}
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    written = {
        name for file in files for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert set(TESTS.values()) <= written


def test_every_raised_version_has_its_reason() -> None:
    raised = {
        (name, version)
        for name, kind in KINDS.items()
        for version in range(OLD["versions"].get(name, kind.version) + 1, kind.version + 1)
    }
    assert raised == {(name, version) for name, kind in KINDS.items() for version in kind.changes}
    assert CURRENT["versions"] == {name: kind.version for name, kind in KINDS.items()}
