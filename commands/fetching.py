"""What commands are given by its name on the Hub: fetched first, in the foreground, and then a folder like another."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from errors import Stopped
from hub.names import RepoKind, parse_name
from settings.streams import say
from views.terminal import redraws

if TYPE_CHECKING:
    from hub.copies import Copy
    from hub.files import HubFile

_LOOK_SECONDS = 0.2
#: How often a line is said where nothing can be redrawn.
_SAY_SECONDS = 15.0


#: Told of a copy, the files that are fetched, and how many frames they have, None where that is not known; raises
#: where that cannot be.
Before = Callable[["Copy", Sequence["HubFile"], int | None], None]


def fetched(text: str, of: RepoKind, episodes: str | None = None, before: Before | None = None) -> Path:
    """The folder here of what a name means. episodes: of a LeRobot set, as `data.episodes` has them; None: all files.
    before: asked when a set's lists are here and nothing else is.

    Raises InvalidInput, HubUnreachable, DiskFull, DatasetError for what are no episodes, and Stopped where it was
    interrupted: what came is kept.
    """
    from hub.copies import Copy, hub_folder, pin

    copy = Copy(pin(parse_name(text), of), of, hub_folder())
    if episodes is None and before is None:
        _bring(copy, copy.listing())
        return copy.place
    from calvin.needed import Need, frames_of, numbers_of
    from tasks.data.copies import SetCopy

    one = SetCopy(copy)
    _bring(copy, one.list_files)
    numbers = None if episodes is None else numbers_of(one.lists, episodes)
    files = one.files_for(Need(episodes=numbers))
    if before is not None:
        before(copy, files, frames_of(one.lists, numbers))
    _bring(copy, files)
    return copy.place


def _bring(copy: Copy, files: Sequence[HubFile]) -> None:
    from settings.deadline import in_thread
    from settings.shown import size_told

    missing = copy.missing(files)
    if not missing:
        return
    size = sum(file.size for file in missing)
    watch = _Watch()
    answer = in_thread(lambda: copy.fetch(files, watch), "fetch")
    try:
        with _shown(str(copy.name), size) as show:
            while not wait([answer], _LOOK_SECONDS).done:
                show(watch.count)
            show(watch.count)
    except KeyboardInterrupt:
        watch.stop.set()
        wait([answer])
        raise Stopped(
            f"stopped with {size_told(watch.count)} of {size_told(size)} of {copy.name}; the same command goes on from "
            "there"
        ) from None
    answer.result()


@contextmanager
def _shown(title: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left on standard error, or a line now and then."""
    if redraws(sys.stderr):
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        from views.console import Console

        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress("fetch", *columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(title, total=size)
            yield lambda count: progress.update(task, completed=count)
        return
    began = said = time.monotonic()

    def show(count: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SAY_SECONDS:
            said = time.monotonic()
            say(_line(title, count, size, said - began), error=True)

    yield show


def _line(title: str, count: int, size: int, seconds: float) -> str:
    from settings.shown import size_told
    from views.spans import span

    rate = count / seconds
    left = f", {span((size - count) / rate)} left" if rate else ""
    return f"{title}: {size_told(count)} of {size_told(size)}, {size_told(round(rate))}/s{left}"


class _Watch:
    def __init__(self) -> None:
        self.count, self.stop = 0, threading.Event()
        self._lock = threading.Lock()

    def should_stop(self) -> bool:
        return self.stop.is_set()

    def moved(self, count: int) -> None:
        with self._lock:
            self.count += count
