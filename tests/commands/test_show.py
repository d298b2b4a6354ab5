"""The report on the terminal says how much of the work is behind its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.show import Written, print_report
from reports.summary import summarise
from tests.reports.test_html import one_arm


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"state": "running", "doing": "interrupted", "jobs": {"succeeded": 3, "blocked": 2}},
            "Not finished (interrupted): 3 of 5 jobs have succeeded, 2 blocked.",
        ),
        (
            {
                "state": "running",
                "doing": "running",
                "jobs": {"succeeded": 3, "running": 2},
                "interrupted_jobs": 1,
            },
            "Not finished (running): 3 of 5 jobs have succeeded, 1 running, 1 interrupted.",
        ),
        (
            {"state": "failed", "doing": "failed", "jobs": {"succeeded": 3, "failed": 2}},
            "Failed: 3 of 5 jobs have succeeded, 2 failed.",
        ),
        ({"state": "succeeded", "jobs": {"succeeded": 5}}, ""),
        ({}, ""),
    ],
)
def test_what_is_not_whole_is_said_beneath_the_table(
    fields: dict[str, object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = one_arm(**fields)
    print_report(Written(data, summarise(data), tmp_path), as_json=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert (says in lines) if says else not any("jobs have succeeded" in line for line in lines)
