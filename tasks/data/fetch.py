"""A copy of a repository of the Hub on this machine. Broken off, it goes on at the byte where the copy lies."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import asdict
from pathlib import Path

from calvin.needed import Need
from hub.copies import Copy, copy_of
from hub.download import Counts
from hub.files import HubFile
from hub.names import is_hub_name
from settings.deadline import in_thread
from tasks.context import Draft, Finished, TaskContext, Yielded
from tasks.data.copies import Asked, SetCopy
from tasks.fetch import FetchResult, FetchSpec
from tasks.kind import Spec
from tasks.memory import kept_or_made

#: Steps of the job, so that rates and the time left are shown as of any other.
STEP_BYTES = 1 << 20
_LOOK_SECONDS = 0.5
#: Over how many looks a rate is taken: half a minute.
_PACE_LOOKS = 60
#: How often it is written down how far it is: whoever is killed between has brought the job no further.
_TELL_SECONDS = 30.0
#: What a kill may cost: less than so many steps, and so large a share of them, is no other copy.
_LOST_STEPS, _LOST_SHARE = 8, 0.02


class Stop(Exception):
    """The job was asked to stop; its text is the reason."""


def steps_of(size: int) -> int:
    """Of a job that fetches so many bytes."""
    return max(1, -(-size // STEP_BYTES))


def run(context: TaskContext[FetchSpec]) -> Finished[FetchResult] | Yielded:
    """Publishes `fetched`, the list of files with their digests; the files lie in `hub.copies`, and in no store.

    Raises InvalidInput, HubUnreachable and DiskFull as `Copy.fetch` does.
    """
    copy, spec = copy_of(context.spec.name, context.spec.of), context.spec
    need = Need(splits=spec.splits, episodes=spec.episodes, cameras=spec.cameras)
    try:
        files = copy.listing() if need == Need() else _files(context, copy, need)
    except Stop as stop:
        return Yielded(str(stop))
    size = sum(file.size for file in files)
    total, told_at, pace = steps_of(size), time.monotonic(), Pace(time.monotonic)
    here = (size - copy.to_come(files)) // STEP_BYTES
    if here < context.step * (1 - _LOST_SHARE) - _LOST_STEPS:
        # Earlier attempts had another copy, on another machine: from here on what comes to this one is progress.
        context.publish(here, [])

    def reached(held: int, last: bool) -> None:
        nonlocal told_at
        step = min(total - 1, held // STEP_BYTES)
        context.report_progress(step, total, pace.values(held, size))
        if step > context.step and (last or time.monotonic() - told_at >= _TELL_SECONDS):
            context.publish(step, [])
            told_at = time.monotonic()

    try:
        counts = bring(context, copy, files, reached)
    except Stop as stop:
        return Yielded(str(stop))
    listed = context.scratch / "fetched.json"
    listed.write_text(json.dumps([asdict(file) for file in files]))
    wrong = counts.wrong_answers + counts.wrong_wholes
    result = FetchResult(
        files=len(files), bytes=size, moved=counts.moved, cuts=counts.cuts, waits=counts.waits, wrong=wrong
    )
    return Finished([Draft("fetched", listed.name, listed)], result=result)


class Pace:
    """How fast bytes come of late, and how long the rest takes at that."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=_PACE_LOOKS)

    def values(self, held: int, size: int) -> dict[str, float]:
        """`mb_per_second` and `seconds_left`, as far as they are known. held: bytes of `size` that are here now."""
        self._seen.append((self._clock(), held))
        began, had = self._seen[0]
        seconds, came = self._seen[-1][0] - began, held - had
        if seconds <= 0:
            return {}
        told = {"mb_per_second": max(0, came) / seconds / 1e6}
        return {**told, "seconds_left": (size - held) * seconds / came} if came > 0 else told


def place_here(context: TaskContext[Spec], root: str | None, asked: Asked) -> Path | None:
    """Where a dataset lies on this machine; of one that is on the Hub, what is needed and not here is fetched first.
    None: there is none. Raises as `bring`."""
    if root is None or not is_hub_name(root):
        return None if root is None else Path(root)
    copy = copy_of(root, "dataset")
    key = f"hub dataset {copy.name} {copy.folder}"  # jobs of a chunk each ask the same lists
    bring_needed(context, kept_or_made(context.memory, key, SetCopy, lambda: SetCopy(copy)), asked)
    return copy.place


def bring_needed(context: TaskContext[Spec], one: SetCopy, asked: Asked) -> None:
    """Raises Stop, and as `Copy.fetch` and `asked` do."""
    bring(context, one.copy, one.list_files)
    bring(context, one.copy, one.files_for(asked(one.lists)))


def _files(context: TaskContext[FetchSpec], copy: Copy, need: Need) -> list[HubFile]:
    one = SetCopy(copy)
    bring(context, copy, one.list_files)
    return one.files_for(need)


def bring(
    context: TaskContext[Spec],
    copy: Copy,
    files: Sequence[HubFile],
    reached: Callable[[int, bool], None] = lambda held, last: None,
) -> Counts:
    """These files of a copy are here when it returns. reached: told now and then how many bytes are, and at the end.

    Raises Stop, and as `Copy.fetch` does.
    """
    missing = copy.missing(files)
    watch = _Watch(sum(file.size for file in files) - sum(file.size for file in missing))
    if not missing:
        reached(watch.held, True)
        return Counts()
    answer = in_thread(lambda: copy.fetch(files, watch), "fetch")
    reason = None
    while not wait([answer], _LOOK_SECONDS).done:
        reached(watch.held, False)
        reason = reason or context.should_stop()
        if reason is not None:
            watch.stop.set()
    reached(watch.held, True)
    if reason is not None and answer.exception() is not None:
        raise Stop(reason)
    return answer.result()


class _Watch:
    def __init__(self, held: int) -> None:
        self.held, self.stop = held, threading.Event()
        self._lock = threading.Lock()

    def should_stop(self) -> bool:
        return self.stop.is_set()

    def moved(self, count: int) -> None:
        with self._lock:
            self.held += count
