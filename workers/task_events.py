"""What Flower hears, sent in batches.

Celery publishes each event of a task on its own, three for each job, and wakes its event loop for it: on
small jobs that takes as long as everything else. A window on the queue may lag a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from celery import bootsteps
from celery.worker.consumer.events import Events

#: How often buffered events are published.
FLUSH_SECONDS = 0.1


class _Timer(Protocol):
    def cancel(self) -> object: ...


class _Timers(Protocol):
    def call_repeatedly(self, seconds: float, function: Callable[[], object], /) -> _Timer: ...


class _Dispatcher(Protocol):
    on_send_buffered: Callable[[], object] | None

    def flush(self) -> object: ...


class _Consumer(Protocol):
    """What is used here of `celery.worker.consumer.Consumer`, which has no types."""

    @property
    def event_dispatcher(self) -> _Dispatcher | None: ...

    @property
    def timer(self) -> _Timers: ...

    def on_send_event_buffered(self) -> object: ...


class BatchedEvents(bootsteps.StartStopStep):
    """A step of Celery's consumer, run again whenever that connects anew."""

    requires = (Events,)

    def __init__(self, consumer: _Consumer, **kwargs: object) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: _Timer | None = None

    def start(self, consumer: _Consumer) -> None:
        dispatcher = consumer.event_dispatcher
        if dispatcher is None:
            return
        dispatcher.on_send_buffered = None
        self._timer = consumer.timer.call_repeatedly(FLUSH_SECONDS, dispatcher.flush)

    def stop(self, consumer: _Consumer) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            # The last task ends after this; Celery publishes what it says when the event loop closes.
            dispatcher = consumer.event_dispatcher
            assert dispatcher is not None, "it was there when the timer was set, and is stopped after this"
            dispatcher.on_send_buffered = consumer.on_send_event_buffered
            consumer.on_send_event_buffered()
