"""A worker that lives while its attempts fail in one way is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.states import FAILED
from tasks.context import TaskContext
from tests.support import planned, row, submit
from tests.toy_kinds import Result, done
from tests.workers.conftest import Bench
from workers import execute
from workers.alike import FailingAlike


def test_it_is_told_after_three_alike_and_until_one_goes_well(tmp_path: Path) -> None:
    told: list[list[str]] = []
    alike = FailingAlike("worker-cpu0", tmp_path / "none", lambda sentences: told.append(list(sentences)))
    alike.failed("failed: ImportError: libcuda.so.1")
    alike.failed("failed: OSError: 3 of 7")
    alike.failed("failed: OSError: 4 of 7")
    assert told == []
    alike.failed("failed: OSError: 5 of 7")
    alike.failed("failed: OSError: 6 of 7")
    assert [sentence for (sentence,) in told] == [
        f"worker-cpu0: {count} attempts failed alike, one after the other: failed: OSError: {count + 2} of 7"
        for count in (3, 4)
    ]
    alike.failed("failed: something else")
    assert told.pop() == []
    alike.failed("failed: something else")
    alike.went_well()
    alike.failed("failed: something else")
    assert len(told) == 2, "not three in a row"
    alike.failed("failed: something else")
    alike.failed("failed: something else")
    assert len(told) == 3
    alike.went_well()
    alike.went_well()
    assert told[3:] == [[]]


def test_what_could_not_be_recorded_is_told_at_once_with_its_log(tmp_path: Path) -> None:
    told: list[list[str]] = []
    log = tmp_path / "log"
    log.touch()
    alike = FailingAlike("worker-gpu1", log, lambda sentences: told.append(list(sentences)))
    alike.unrecorded("ValueError: invalid literal for int(): '4,1'")
    reason = "ValueError: invalid literal for int(): '4,1'"
    assert told == [[f"worker-gpu1: how an attempt ended could not be recorded: {reason} (see {log})"]]


def test_a_failure_is_recorded_although_nobody_can_tell_what_it_ran_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `OMP_NUM_THREADS=4,1` once: every attempt failed while its failure was being recorded, for ever."""
    submit(bench.database, planned("a"))

    def no_environment(*_: object) -> dict[str, object]:
        return {"threads": int("4,1")}

    monkeypatch.setattr(execute, "attempt_environment", no_environment)

    def body(_context: TaskContext) -> Result:
        return done()

    ends = []
    for _ in range(3):
        bench.run("a", body)
        ends.append(bench.executor.failed)
    assert ends == [True] * 3
    assert row(bench.database, "a").state == FAILED
    assert "invalid literal for int()" in row(bench.database, "a").error


def test_an_attempt_that_goes_well_says_so(bench: Bench) -> None:
    submit(bench.database, planned("a"), planned("b"))
    bench.run("a", lambda _context: done())
    assert bench.executor.went_well
    assert bench.executor.run(row(bench.database, "a").id) == "already taken"
    assert not bench.executor.went_well, "nothing was tried"
