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


@contextmanager
def live_estimate(total: int) -> Iterator[Callable[[Sequence[int]], None]]:
    """A function to call with the results so far: a bar on a terminal, a line at every tenth elsewhere."""
    on_terminal = redraws(sys.stderr)
    said = 0
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not on_terminal) as bar:
        task = bar.add_task("", total=total)

        def show(results: Sequence[int]) -> None:
            nonlocal said
            so_far = _in_words(results)
            bar.update(task, completed=len(results), description=so_far)
            tenth = 10 * len(results) // total
            if not on_terminal and tenth > said:
                said = tenth
                say(f"{len(results)}/{total}  {so_far}", error=True)

        yield show


def _in_words(results: Sequence[int]) -> str:
    so_far = running_estimate(results)
    rate_low, rate_high = so_far.success1_ci95
    # A bootstrap of equal values has no width, which says nothing about the values to come.
    low, high = so_far.avg_len_ci95
    interval = f"all {so_far.sequences} alike" if len(set(results)) == 1 else f"{low:.2f}, {high:.2f}"
    return (
        f"1/5 {so_far.success1:.1%} [{rate_low:.1%}, {rate_high:.1%}]"
        f"  average length {so_far.avg_len:.2f} [{interval}]"
    )
