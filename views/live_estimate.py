"""What an evaluation says so far, on standard error while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from settings.streams import say
from tasks.evaluate.alone import Show
from tasks.evaluate.estimate import running_estimate
from views.console import Console
from views.terminal import redraws

SO_FAR = (
    "So far: 95 % intervals of these weights that hold at any look; sequences that fail early end first, so the first "
    "figures are somewhat low."
)


_AWAITED = "no sequence"


class FirstSteps:
    """Says how many steps are done while nothing of `total` sequences is known, whenever they are twice as many.
    awaited: what has not ended."""

    def __init__(self, total: int, awaited: str = _AWAITED) -> None:
        self._total, self._awaited, self._said = total, awaited, 0

    def __call__(self, steps: int) -> None:
        if steps >= max(1, 2 * self._said):
            self._said = steps
            say(f"0/{self._total}  {_steps(steps, self._awaited)}", error=True)


@contextmanager
def live_estimate(total: int) -> Iterator[Show]:
    """What shows results so far: a bar on a terminal; elsewhere a line at every tenth, and before the first result
    whenever twice as many steps are done.

    With the first it says what biases them: with several simulators sequences that fail at once end first.
    """
    on_terminal = redraws(sys.stderr)
    said, begun, first_steps = 0, False, FirstSteps(total)
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not on_terminal) as bar:
        task = bar.add_task("", total=total)

        def show(results: Sequence[int], steps: int = 0) -> None:
            nonlocal said, begun
            if not results:
                bar.update(task, description=_steps(steps))
                if not on_terminal:
                    first_steps(steps)
                return
            if not begun and total > 1:
                say(SO_FAR, error=True)
            begun = True
            so_far = _in_words(results)
            bar.update(task, completed=len(results), description=so_far)
            tenth = 10 * len(results) // total
            if not on_terminal and tenth > said:
                said = tenth
                say(f"{len(results)}/{total}  {so_far}", error=True)

        yield show


def _steps(steps: int, awaited: str = _AWAITED) -> str:
    return f"{steps} step{'s' * (steps != 1)} so far; {awaited} has ended yet"


def _in_words(results: Sequence[int]) -> str:
    so_far = running_estimate(results)
    (rate_low, rate_high), (low, high) = so_far.success1_ci95, so_far.avg_len_ci95
    return (
        f"1/5 {so_far.success1:.1%} [{rate_low:.1%}, {rate_high:.1%}]"
        f"  average length {so_far.avg_len:.2f} [{low:.2f}, {high:.2f}]"
    )
