"""What an evaluation says so far, on standard error while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from settings.streams import say
from tasks.evaluate.estimate import running_estimate
from views.console import Console
from views.terminal import redraws

SO_FAR = (
    "So far: 95 % intervals of these weights that hold at any look; sequences that fail early end first, so the first "
    "figures are somewhat low."
)


@contextmanager
def live_estimate(total: int) -> Iterator[Callable[[Sequence[int]], None]]:
    """A function to call with the results so far: a bar on a terminal, a line at every tenth elsewhere.

    With the first it says what biases them: with several simulators sequences that fail at once end first.
    """
    on_terminal = redraws(sys.stderr)
    said, begun = 0, False
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not on_terminal) as bar:
        task = bar.add_task("", total=total)

        def show(results: Sequence[int]) -> None:
            nonlocal said, begun
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


def _in_words(results: Sequence[int]) -> str:
    so_far = running_estimate(results)
    (rate_low, rate_high), (low, high) = so_far.success1_ci95, so_far.avg_len_ci95
    return (
        f"1/5 {so_far.success1:.1%} [{rate_low:.1%}, {rate_high:.1%}]"
        f"  average length {so_far.avg_len:.2f} [{low:.2f}, {high:.2f}]"
    )
