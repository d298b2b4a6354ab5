"""The flag that tells a supervisor whether its worker holds steps that the state does not."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from db.states import PREEMPTED
from errors import DiskFull, StateDamaged
from tasks.context import Draft, TaskContext, Yielded
from tests.support import REPOSITORY, attempts, planned, row, submit
from tests.toy_kinds import Result, done
from tests.workers.conftest import Bench
from workers import leaving
from workers.unsaved import UNSAVED_VARIABLE, Shared, Unsaved


def test_it_is_raised_between_a_step_and_its_checkpoint(bench: Bench, tmp_path: Path) -> None:
    submit(bench.database, planned("a", target_steps=10))
    seen: list[bool] = []

    def body(context: TaskContext) -> Result:
        for step, published in ((0, 0), (1, 0), (2, 0), (2, 2), (3, 2)):
            context.report_progress(step, 10)
            if published > context.step:
                file = context.scratch / "file"
                file.write_text(str(step))
                context.publish(published, [Draft("checkpoint", "file", file, final=False)])
            seen.append(bench.member.unsaved.anything)
        return Yielded("preempted")

    bench.run("a", body)
    assert seen == [False, True, True, False, True]
    assert not bench.member.unsaved.anything, "the attempt is over"


def test_steps_beside_a_checkpoint_that_is_written_stay_unsaved(bench: Bench) -> None:
    submit(bench.database, planned("a", target_steps=10))

    def body(context: TaskContext) -> Result:
        context.report_progress(5, 10)
        context.publish(4, [])
        assert bench.member.unsaved.anything
        return done()

    assert bench.run("a", body) == "succeeded"


def test_another_process_sees_it() -> None:
    shared = Shared()
    program = "from workers.unsaved import Unsaved; import os\nUnsaved.inherited().anything = True\nprint(os.environ)"
    environment = {"PYTHONPATH": str(REPOSITORY), UNSAVED_VARIABLE: str(shared.descriptor)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        pass_fds=[shared.descriptor],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shared.flag.anything
    assert UNSAVED_VARIABLE not in done.stdout, "what it starts in turn is not given it"
    shared.close()
    with pytest.raises(ValueError, match="closed"):
        _ = shared.flag.anything
    assert not Unsaved.inherited({}).anything


@pytest.mark.parametrize("steps", [0, 2])
def test_a_worker_alone_leaves_an_attempt_that_holds_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """As while it imports, or after a checkpoint: what the attempt does from then on is no fact."""
    submit(bench.database, planned("a", target_steps=10))
    ended: list[str] = []
    monkeypatch.setattr(leaving, "end_at_once", lambda _code: ended.append(row(bench.database, "a").state))

    def body(context: TaskContext) -> Result:
        if steps:
            context.report_progress(steps, 10)
            context.publish(steps, [])
        leaving.leave_what_is_saved(bench.member)
        return done()

    assert bench.run("a", body) == "fenced"
    assert ended == ["ready"]
    assert (row(bench.database, "a").step, row(bench.database, "a").losses) == (steps, 0)
    assert [entry.outcome for entry in attempts(bench.database, "a")] == [PREEMPTED]


def test_a_worker_that_cannot_put_back_what_it_holds_ends_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_reason: str) -> None:
        raise DiskFull("no room")

    submit(bench.database, planned("a", target_steps=10))
    ended: list[int] = []
    monkeypatch.setattr(leaving, "end_at_once", ended.append)

    def body(_context: TaskContext) -> Result:
        with monkeypatch.context() as patch:
            patch.setattr(bench.member, "abandon", full)
            leaving.leave_what_is_saved(bench.member)
        return done()

    assert bench.run("a", body) == "succeeded"
    assert ended == [0]


def test_only_the_first_signal_begins_to_leave(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    left = threading.Event()

    def leave(member: object) -> None:
        begun.append(member)
        left.set()

    monkeypatch.setattr(leaving, "leave_what_is_saved", leave)
    worker = leaving.Leaving(bench.member)
    for _ in range(3):
        worker.begin()
    assert left.wait(60)
    assert begun == [bench.member]
    bench.member.damage = StateDamaged("the state is damaged")
    leaving.Leaving(bench.member).begin()
    for thread in threading.enumerate():
        if thread.name == "leave":
            thread.join()
    assert begun == [bench.member]
    bench.member.damage = None
