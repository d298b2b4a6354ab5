"""Celery's pool of one thread, with a wake-up that it lacks.

Celery's event loop asks the broker for the next message when a task has ended, but a thread that ends a
task does not wake the loop: it sleeps until its next timer or event. With one message at a time
(`worker_disable_prefetch`) every job would wait for that.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from celery.concurrency.thread import TaskPool


class _Loop(Protocol):
    """What is used here of `kombu.asynchronous.Hub`, which has no types."""

    def call_soon(self, callback: Callable[[], None], /) -> object: ...


class _Applied(Protocol):
    """`celery.concurrency.thread.ApplyResult`."""

    @property
    def f(self) -> Future[object]: ...


class WakingThreadPool(TaskPool):
    """Runs tasks in threads and wakes the event loop after each one."""

    _loop: _Loop | None = None

    def register_with_event_loop(self, loop: _Loop) -> None:
        self._loop = loop

    def on_apply(self, *args: object, **kwargs: object) -> _Applied:
        result: _Applied = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(self._wake)
        return result

    def _wake(self, _future: Future[object]) -> None:
        if self._loop is not None:
            self._loop.call_soon(_nothing)


def _nothing() -> None:
    """The loop looks at the broker in every round; being woken is enough."""
