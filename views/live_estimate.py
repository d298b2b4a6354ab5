"""What an evaluation says so far, on standard error while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from settings.streams import say
from tasks.evaluate.alone import Show
from views.terminal import redraws

#: What the intervals of these lines are, and why those of the result are others.
_ANY_LOOK = "95 % intervals of these weights that hold at any look, and are wider than those of the result"
SO_FAR = f"So far: {_ANY_LOOK}; sequences that fail early end first, so the first figures are somewhat low."
#: The same where all is known at once.
OF_ONE = f"In brackets: {_ANY_LOOK}."

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
    begun = False
    with _bar(total) if redraws(sys.stderr) else _lines(total) as draw:

        def show(results: Sequence[int], steps: int = 0) -> None:
            nonlocal begun
            if results and not begun:
                begun = True
                say(SO_FAR if total > 1 else OF_ONE, error=True)
            draw(results, steps)

        yield show


@contextmanager
def _bar(total: int) -> Iterator[Show]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from views.console import Console

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)

        def draw(results: Sequence[int], steps: int = 0) -> None:
            said = _in_words(results) if results else _steps(steps)
            bar.update(task, completed=len(results), description=said)

        yield draw


@contextmanager
def _lines(total: int) -> Iterator[Show]:
    said, first_steps = 0, FirstSteps(total)

    def draw(results: Sequence[int], steps: int = 0) -> None:
        nonlocal said
        tenth = 10 * len(results) // total
        if not results:
            first_steps(steps)
        elif tenth > said:
            said = tenth
            say(f"{len(results)}/{total}  {_in_words(results)}", error=True)

    yield draw


def _steps(steps: int, awaited: str = _AWAITED) -> str:
    return f"{steps} step{'s' * (steps != 1)} so far; {awaited} has ended yet"


def _in_words(results: Sequence[int]) -> str:
    from tasks.evaluate.estimate import running_estimate  # needed from the first result on

    so_far = running_estimate(results)
    (rate_low, rate_high), (low, high) = so_far.success1_ci95, so_far.avg_len_ci95
    return (
        f"1/5 {so_far.success1:.1%} [{rate_low:.1%}, {rate_high:.1%}]"
        f"  average length {so_far.avg_len:.2f} [{low:.2f}, {high:.2f}]"
    )
