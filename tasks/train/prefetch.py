"""Values made ahead of need by one background thread, or when they are asked for.

What is made for a step is a function of the step alone, so there is nothing to save and nothing to lose: a
prefetcher that is thrown away and begun again elsewhere gives the same values.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from errors import BatonError

Value = TypeVar("Value")

#: How often a thread that waits for room looks whether it is still wanted.
_LOOK_SECONDS = 0.1
_JOIN_SECONDS = 1.0


class Prefetcher(Generic[Value]):
    """`get(step)` for step `first`, `first + 1`, ...; at most `ahead` values wait to be taken.

    With `ahead` 0 there is no thread, and `get` makes the value. An error of `make` is raised by the `get` of its
    step. Leaving the `with` block ends the thread.
    """

    def __init__(self, make: Callable[[int], Value], first: int, end: int, ahead: int = 2) -> None:
        self.ahead = ahead
        self._make = make
        self._next = first
        self._end = end
        self._ready: queue.Queue[tuple[int, Value | None, BaseException | None]] = queue.Queue(ahead)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(first,), name="prefetch", daemon=True)

    def __enter__(self) -> Prefetcher[Value]:
        if self.ahead:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        # What is in hand may take long, and a worker that was told to stop has no time: the thread ends with it.
        if self.ahead:
            self._thread.join(_JOIN_SECONDS)

    def get(self, step: int) -> Value:
        """The value of `step`, which must be the one after the last. Waits until it is made."""
        if step != self._next or step >= self._end:
            raise BatonError(f"step {step} was asked for, step {self._next} of {self._end} comes next")
        if not self.ahead:
            self._next += 1
            return self._make(step)
        made, value, error = self._ready.get()
        assert made == step
        self._next += 1
        if error is not None:
            raise error
        assert value is not None
        return value

    def _work(self, first: int) -> None:
        for step in range(first, self._end):
            try:
                entry: tuple[int, Value | None, BaseException | None] = (step, self._make(step), None)
            except BaseException as error:
                entry = (step, None, error)
            while not self._closed.is_set():
                try:
                    self._ready.put(entry, timeout=_LOOK_SECONDS)
                    break
                except queue.Full:
                    continue
            if self._closed.is_set() or entry[2] is not None:
                return
