"""Task bodies that count, wait, fail and die, and how a process learns their kinds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.context import Draft, Point, TaskContext, Yielded
from tasks.registry import KINDS
from tests.toy_kinds import Result, done, toy_kind

#: Names a file that is called like a step: training waits at that step until the file exists.
GATE_VARIABLE = "BATON_TEST_GATE"


def install() -> None:
    """Let this process run the kinds of this module."""
    for body in (count, wait, gate, fail, die):
        KINDS[body.__name__] = toy_kind(body.__name__, f"{__name__}:{body.__name__}")
    if GATE_VARIABLE in os.environ:
        KINDS["train"] = replace(KINDS["train"], body=f"{__name__}:{train_to_the_gate.__name__}")


def count(context: TaskContext) -> Result:
    """Counts to spec `target`, publishing every number, spec `seconds` (0) for each; each step is also a line in the
    file spec `log`."""
    for number in range(context.step, context.spec["target"]):
        reason = context.should_stop()
        if reason:
            return Yielded(reason)
        with Path(context.spec["log"]).open("a") as log:
            log.write(f"{number}\n")
        time.sleep(context.spec.get("seconds", 0.0))
        context.publish(
            number + 1, [_number(context, number + 1)], [Point("number", number + 1, number + 1.0)]
        )
        context.report_progress(number + 1, context.spec["target"])
    return done(result={"counted": context.spec["target"]})


def wait(context: TaskContext) -> Result:
    """Does nothing until told to stop; the reason becomes how it yields."""
    while True:
        reason = context.should_stop()
        if reason:
            return Yielded(reason)
        context.report_progress(0, 1)
        time.sleep(0.01)


def gate(context: TaskContext) -> Result:
    """Ends once the file spec `file` exists."""
    while not Path(context.spec["file"]).exists():
        reason = context.should_stop()
        if reason:
            return Yielded(reason)
        context.report_progress(0, 1)
        time.sleep(0.01)
    return done()


def fail(context: TaskContext) -> Result:
    """Fails while the file spec `log` has fewer than spec `times` lines, a line each time."""
    log = Path(context.spec["log"])
    lines = len(log.read_text().splitlines()) if log.exists() else 0
    if lines < context.spec["times"]:
        with log.open("a") as stream:
            stream.write("failed\n")
        raise RuntimeError(f"failure {lines + 1}")
    return done(result={"failures": lines})


def die(context: TaskContext) -> Result:
    """Takes its process with it, while the file spec `log` has fewer than spec `times` lines (else always)."""
    with Path(context.spec["log"]).open("a+") as log:
        log.seek(0)
        if len(log.readlines()) >= context.spec.get("times", math.inf):
            return done()
        log.write("died\n")
    os._exit(7)


def train_to_the_gate(context: TaskContext) -> Result:
    """The real training, which a test need not outrun: it does not end before it is let."""
    from tasks.train import run as train

    return train.run(_Gated(context))


class _Gated:
    """A context in which the step that the gate names does not begin before the gate is open."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._at = context.step
        self._gate = Path(os.environ[GATE_VARIABLE])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        self._at = step
        self._context.report_progress(step, total, values)

    def should_stop(self) -> str | None:
        while (reason := self._context.should_stop()) is None and self._shut():
            time.sleep(0.01)
        return reason

    def _shut(self) -> bool:
        return self._at >= int(self._gate.name) and not self._gate.exists()


def _number(context: TaskContext, number: int) -> Draft:
    file = context.scratch / f"{number}.txt"
    file.write_text(f"{number}\n")
    return Draft("checkpoint", "number", file, final=False)
