"""A real server answers with figures that agree with the rows."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from db import jobs, members, states
from db.schema import Worker
from db.values import Ending, Lease, Seconds
from tests.commands.test_flower import port
from tests.commands.test_status import make_ablation
from tests.processes import running
from tests.support import await_value, start, two_of_a_name, worker
from views.prometheus import StateCollector

__all__ = ["port"]


def scrape(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric -> label values in the order of their names -> value; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_figures_agree_with_the_rows(home, database, port, tmp_path):
    make_ablation(database)
    members.open_session(database, "up", 1000.0, time.time() + 172_800)
    worker_id = worker(database, "w1")
    done = start(database, "train recon seed 0", worker_id, time.time())
    jobs.succeed(
        database, done, Ending(states.SUCCEEDED, 100, seconds=Seconds(useful=7.0, load=1.0)), time.time()
    )
    lost = start(database, "train recon seed 1", worker_id, time.time())
    jobs.take_back(database, [Lease(lost.job_id, lost.lease_token)], "gone", 3, time.time())
    with running(["--home", str(home.root), "metrics", "--port", str(port)], tmp_path / "log") as server:
        found = await_value(lambda: scrape(port), bool, "the server answers")
        assert found["baton_jobs"]["mine", "1", "succeeded"] == 1
        assert sum(found["baton_jobs"].values()) == 6
        assert found["baton_run_step"]["mine", "1", "recon", "0"] == 100
        assert found["baton_run_target_steps"]["mine", "1", "baseline", "1"] == 100
        assert found["baton_attempts_total"] == {("train", "succeeded"): 1, ("train", "lost"): 1}
        assert found["baton_attempt_seconds_total"]["train", "succeeded", "useful"] == 7.0
        assert found["baton_events_total"]["job_lost",] == 1
        (left,) = found["baton_session_deadline_seconds"].values()
        assert left == 1000.0, "as the session counts it"
        assert next(iter(found["baton_worker_heartbeat_age_seconds"]))[-2] == "w1"
        assert list(found["baton_worker_busy"].values()) == [0]
        server.terminate()
        assert server.wait(300) == 0


def test_no_series_twice(home, database, tmp_path):
    """Two ablations of one name, as an import brings them; workers of one name on two machines, and on one."""
    two_of_a_name(database)
    for host in ("node1", "node2", "node2"):
        number = worker(database, "worker-cpu0")
        with database.write() as tx:
            tx.execute(update(Worker).where(Worker.id == number).values(host=host))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateCollector(home, database))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    series = Counter(line.rpartition(" ")[0] for line in lines)
    assert [name for name, count in series.items() if count > 1] == []
    assert sum(name.startswith("baton_worker_busy{") for name in series) == 3
    assert all('state="' not in name for name in series if name.startswith("baton_worker"))
