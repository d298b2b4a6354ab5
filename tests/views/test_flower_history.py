"""What Flower is told again: every ended attempt, under the name that the live events have."""

from __future__ import annotations

import base64
import json

import pytest
from celery.events.state import State

from db import jobs, states
from db.values import Ending, Lease, Seconds
from tests.commands.test_status import make_ablation
from tests.support import NOW, Clock, start, worker
from views.flower_history import History
from workers.app import make_app
from workers.broker import connect


@pytest.fixture
def heard(redis_url):
    """Celery's own picture of the tasks, fed by what is published; call it to read what came."""
    listener = connect(redis_url).pubsub()
    listener.psubscribe("*celeryev*")
    assert listener.get_message(timeout=60)["type"] == "psubscribe"
    state, broker = State(), connect(redis_url)

    def read() -> dict:
        broker.publish("celeryev.all-was-said", "")
        while (message := listener.get_message(timeout=60))["channel"] != b"celeryev.all-was-said":
            body = json.loads(base64.b64decode(json.loads(message["data"])["body"]))
            for event in body if isinstance(body, list) else [body]:
                state.event({**event, "local_received": NOW})
        return dict(state.tasks)

    yield read
    listener.close()
    broker.close()


def test_every_ended_attempt_is_told_once_a_delay(home, database, redis_url, heard):
    make_ablation(database, seeds=1, now=NOW)
    worker_id = worker(database, "w1")
    lost = start(database, "train recon seed 0", worker_id)
    jobs.take_back(database, [Lease(lost.job_id, lost.lease_token)], "its process is gone", 3, NOW + 5)
    done = start(database, "train baseline seed 0", worker_id)
    clock = Clock()
    history = History(make_app(redis_url), database, clock)
    assert history.tell() == 0, "only what was seen to have ended some seconds ago"
    clock.now += 1.5
    # The time of day is set back by two days meanwhile.
    ending = Ending(states.SUCCEEDED, 100, seconds=Seconds(useful=8.0, took=8.0))
    jobs.succeed(database, done, ending, NOW - 172_800)
    assert history.tell() == 0
    clock.now += 1.0
    assert (history.tell(), history.tell()) == (1, 0)
    clock.now += 1.0
    assert (history.tell(), history.tell()) == (1, 0)
    tasks = heard()
    assert set(tasks) == {f"job-{lost.job_id}-attempt-1", f"job-{done.job_id}-attempt-1"}
    task = tasks[f"job-{done.job_id}-attempt-1"]
    assert (task.name, task.args, task.state) == (
        "baton.train",
        "(baseline seed 0, steps 0-100)",
        "SUCCESS",
    )
    assert task.result == "'succeeded'" and task.runtime == pytest.approx(8.0)
    assert task.worker.hostname.startswith("w1@")
    gone = tasks[f"job-{lost.job_id}-attempt-1"]
    assert gone.state == "FAILURE" and "its process is gone" in gone.exception
    clock.now += 15.0
    assert (history.tell(), history.tell()) == (2, 0), "and once more later"
    clock.now += 1000.0
    assert (history.tell(), history.tell()) == (2, 0), "and a last time"


def test_a_broker_that_is_away_costs_nothing(home, database, private_redis):
    make_ablation(database, seeds=1, now=NOW)
    done = start(database, "train baseline seed 0", worker(database))
    jobs.succeed(database, done, Ending(states.SUCCEEDED, 100), NOW + 1)
    clock = Clock()
    history = History(make_app(private_redis.url), database, clock)
    assert history.tell() == 0
    clock.now += 100.0
    private_redis.process.kill()
    private_redis.process.wait()
    for _ in range(2):
        with pytest.raises(history._away):
            history.tell()
