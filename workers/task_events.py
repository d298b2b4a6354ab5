"""What Flower hears, sent in batches.

Celery publishes each event of a task on its own, three for each job, and wakes its event loop for it: on
small jobs that takes as long as everything else. A window on the queue may lag a tenth of a second.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.worker.consumer.events import Events

#: How often buffered events are published.
FLUSH_SECONDS = 0.1


class BatchedEvents(bootsteps.StartStopStep):
    """A step of Celery's consumer, run again whenever that connects anew."""

    requires = (Events,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        dispatcher = consumer.event_dispatcher
        if dispatcher is None:
            return
        dispatcher.on_send_buffered = None
        self._timer = consumer.timer.call_repeatedly(FLUSH_SECONDS, dispatcher.flush)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            # The last task ends after this; Celery publishes what it says when the event loop closes.
            consumer.event_dispatcher.on_send_buffered = consumer.on_send_event_buffered
            consumer.on_send_event_buffered()
