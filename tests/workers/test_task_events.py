"""Batched events still reach whoever listens, through a real worker and a real Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from db.engine import Database
from db.identity import namespace
from settings.home import Home
from tests.processes import running
from workers.app import make_app, resource_queue

TASKS = [f"bell-{number}" for number in range(5)]


def test_every_task_is_received_started_and_ended(
    home: Home, database: Database, redis_url: str, tmp_path: Path
) -> None:
    app = make_app(redis_url, namespace=namespace(database))
    heard: dict[str, list[str]] = {}

    def note(event: dict[str, Any]) -> None:
        heard.setdefault(event["uuid"], []).append(event["type"])
        if all("task-succeeded" in heard.get(task, ()) for task in TASKS):
            receiver.should_stop = True

    def ring(_event: dict[str, Any]) -> None:
        """The worker is up. No job has these ids, so it answers that they are taken."""
        while TASKS[len(rung) :]:
            rung.append(TASKS[len(rung)])
            app.send_task("baton.ingest", args=(10_000,), queue=resource_queue("cpu"), task_id=rung[-1])

    rung: list[str] = []
    arguments = ["--home", str(home.root), "worker", "--name", "deaf", "--broker", redis_url]
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(
            connection, handlers={"worker-heartbeat": ring, "worker-online": ring, "*": lambda event: None}
        )
        for name in ("task-received", "task-started", "task-succeeded"):
            receiver.handlers[name] = note
        with running(arguments, tmp_path / "worker.log"):
            receiver.capture(limit=None, timeout=300, wakeup=False)
    assert heard == {task: ["task-received", "task-started", "task-succeeded"] for task in TASKS}
