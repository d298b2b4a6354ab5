"""The pool tells the event loop that a task has ended, once the task has left Celery's books."""

from __future__ import annotations

import threading
from collections.abc import Callable

from workers.pool import WakingThreadPool


class Loop:
    """Stands for Celery's event loop: notes that it was woken."""

    def __init__(self) -> None:
        self.woken = threading.Event()

    def call_soon(self, callback: Callable[[], None]) -> None:
        callback()
        self.woken.set()


def test_the_loop_is_woken_after_the_callback_of_each_task() -> None:
    pool = WakingThreadPool(1)
    loop = Loop()
    pool.register_with_event_loop(loop)
    order: list[str] = []
    release = threading.Event()

    def task() -> str:
        release.wait(30)
        return "ended"

    pool.on_apply(task, (), {}, callback=order.append)
    assert not loop.woken.is_set()
    release.set()
    assert loop.woken.wait(30)
    assert order == ["ended"]
    pool.on_stop()


def test_without_a_loop_tasks_run_all_the_same() -> None:
    pool = WakingThreadPool(1)
    order: list[int] = []
    pool.on_apply(lambda: 3, (), {}, callback=order.append).wait(30)
    assert order == [3]
    pool.on_stop()
