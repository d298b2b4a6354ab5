"""The Celery application: a doorbell that carries the id of a job, or of several short ones.

Messages are acknowledged early and hold nothing that matters; the lease in the database decides who
runs. One Celery task per kind of job, so that Flower shows `baton.train` and not a generic name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from celery import Celery
from kombu import Queue

from db.jobs.bells import Rung
from tasks.registry import KINDS

TASK_PREFIX = "baton."

#: Redis would deliver a message again after this; it is acknowledged before the work starts, so never.
_VISIBILITY_TIMEOUT_SECONDS = 7 * 24 * 3600


class AttemptFailed(Exception):
    """Raised after a failed attempt was committed, so that Flower shows it as failed."""


def make_app(
    broker_url: str, run: Callable[[Sequence[int]], str] | None = None, namespace: str = ""
) -> Celery:
    """An application on `broker_url`. `run` executes the jobs of these ids; without it the app can only ring.

    namespace: `db.identity.namespace`, in front of all names in the broker, where other homes may have theirs.
    """
    app = Celery("baton", broker=broker_url)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_store_errors_even_if_ignored=False,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": _VISIBILITY_TIMEOUT_SECONDS,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "health_check_interval": 10,
            "global_keyprefix": namespace,
        },
    )
    for kind in KINDS:
        _register(app, kind, run)
    return app


def _register(app: Celery, kind: str, run: Callable[[Sequence[int]], str] | None) -> None:
    def ring(*job_ids: int) -> str:
        if run is None:
            raise RuntimeError("this application only rings")
        return run(job_ids)

    # Celery logs an expected exception as one line, without a traceback.
    # Not shared: Celery would otherwise give every later application of this process the first one's function.
    app.task(name=TASK_PREFIX + kind, ignore_result=True, throws=(AttemptFailed,), shared=False)(ring)


def resource_queue(resource: str) -> str:
    return f"baton.{resource}"


def key_of(app: Celery, queue: str) -> str:
    """The key of the list that is this queue in Redis."""
    return f"{app.conf.broker_transport_options['global_keyprefix']}{queue}"


def worker_queue(worker_id: int) -> str:
    """The queue that only one worker listens to: for a run's next slice."""
    return f"baton.worker.{worker_id}"


def queues(names: Sequence[str]) -> list[Queue]:
    return [Queue(name) for name in names]


def task_id(job_id: int, lease_token: int) -> str:
    """Celery's id for one attempt of a job."""
    return f"job-{job_id}-attempt-{lease_token}"


def task_arguments(kind: str, label: str, step: int, target_steps: int) -> str:
    """What Flower shows as a task's arguments: the label, without the kind that is the task's name.

    Flower cuts what is longer than some 45 letters. Steps are told of training; other kinds count what their
    label names, such as sequences.
    """
    steps = f", steps {step}-{target_steps}" if kind in KINDS and KINDS[kind].sliced else ""
    return f"({label.removeprefix(f'{kind} ')}{steps})"


def ring_bell(app: Celery, rows: Sequence[Rung], queue: str, worker_id: int | None = None) -> None:
    """Send one message for jobs of `db.jobs.ring`, all of one kind. worker_id: where several get one for the same job.

    The Celery task id names the first attempt it asks for, so a bell that is rung twice shows as one task. Flower is
    told of the others once they have ended (`views.flower_history`).
    """
    first, *others = rows
    asked = task_id(first.id, first.lease_token + 1)
    arguments = task_arguments(first.kind, first.label, first.step, first.target_steps)
    app.send_task(
        TASK_PREFIX + first.kind,
        args=tuple(row.id for row in rows),
        queue=queue,
        task_id=asked if worker_id is None else f"{asked}-worker-{worker_id}",
        argsrepr=f"{arguments} and {len(others)} more" if others else arguments,
        kwargsrepr="{}",
        ignore_result=True,
        retry=False,
    )
