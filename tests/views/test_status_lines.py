"""Status as lines: changes, ever more seldom; failures and ends at once."""

from __future__ import annotations

import io
from typing import Any

from views.status_lines import StatusLines


class Log:
    """Lines printed by a `StatusLines` whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        self._lines = StatusLines(self._stream, lambda: self.now)

    def at(self, now: float, *entries: dict[str, Any], troubles: tuple[str, ...] = ()) -> list[str]:
        """What is printed for these ablations at this time."""
        self.now = now
        self._stream.seek(0)
        self._stream.truncate()
        self._lines({"ablations": list(entries), "workers": [], "troubles": list(troubles)})
        return self._stream.getvalue().splitlines()


def entry(done: int, failed: int = 0, state: str = "running", number: int = 1) -> dict[str, Any]:
    jobs = {"succeeded": done, "failed": failed, "ready": 1000 - done - failed}
    return {"id": number, "name": f"a{number}", "state": state, "jobs": jobs, "runs": [], "time_left": None}


def test_changes_are_told_every_ten_seconds_at_first() -> None:
    log = Log()
    assert log.at(0.0, entry(0)) == ["a1: 0/1000 jobs"]
    assert log.at(1.0, entry(1)) == []
    assert len(log.at(10.0, entry(2))) == 1
    assert log.at(30.0, entry(2)) == [], "nothing changed"
    assert len(log.at(31.0, entry(3))) == 1


def test_twelve_hours_are_a_few_hundred_lines() -> None:
    log = Log()
    printed = [bool(log.at(float(second), entry(second // 5 % 1000))) for second in range(0, 12 * 3600, 5)]
    assert 100 < sum(printed) < 500
    assert any(printed[-720:]), "still alive in the last hour"


def test_a_failure_is_told_at_once_and_once() -> None:
    log = Log()
    log.at(0.0, entry(5))
    (line,) = log.at(1.0, entry(5, failed=1))
    assert "1 failed" in line
    assert log.at(2.0, entry(6, failed=1)) == []


def test_the_end_is_told_once_and_only_of_what_went_on_here() -> None:
    log = Log()
    old = entry(1000, state="succeeded", number=1)
    log.at(0.0, old, entry(998, number=2), entry(1, number=3))
    assert log.at(1.0, old, entry(1000, state="succeeded", number=2), entry(1, number=3)) == ["a2: succeeded"]
    assert log.at(2.0, old, entry(1000, state="succeeded", number=2), entry(1, number=3)) == []
    assert log.at(3.0, old, entry(1000, state="succeeded", number=2), entry(9, 1, "failed", 3)) == [
        "a3: failed"
    ]


def test_a_home_in_which_everything_has_ended_is_told_of() -> None:
    assert Log().at(0.0, entry(1000, state="succeeded"), entry(9, 1, "failed", 2)) == [
        "a1: succeeded",
        "a2: failed",
    ]


def test_what_keeps_workers_from_working_is_told_at_once_and_once() -> None:
    log = Log()
    log.at(0.0, entry(5))
    assert log.at(1.0, entry(5), troubles=("the disk is full",)) == [
        "trouble: the disk is full",
        "a1: 5/1000 jobs",
    ]
    assert log.at(2.0, entry(5), troubles=("the disk is full",)) == []
    assert log.at(3.0, entry(5)) == ["a1: 5/1000 jobs"], "it is over"
    assert log.at(4.0, entry(5)) == []
