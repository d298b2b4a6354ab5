"""Prometheus figures, read from the database at every scrape: nothing is counted that could get lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db import progress
from db.engine import Database
from db.members import BUSY
from db.silence import Hearing
from errors import StateDamaged
from settings.home import Home
from views.metrics_server import MetricsServer
from views.status import status_document

#: Names differ neither between ablations nor between machines; a state is a value, as a label would end the series.
_OF_A_RUN = ("ablation", "ablation_id", "arm", "seed")
_OF_A_WORKER = ("worker", "host", "device", "worker_id")
_SPENT_ON = ("useful", "replayed", "checkpoint", "load", "idle")


class StateCollector(Collector):
    """All figures of one home."""

    def __init__(self, home: Home, database: Database, on_damage: Callable[[], None] = lambda: None) -> None:
        """on_damage: told once the state is found to be damaged; nothing is answered from then on."""
        self._home = home
        self._on_damage = on_damage
        self.damage: StateDamaged | None = None
        self._database = database
        self._hearing = Hearing()

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._collect()
        except StateDamaged as error:
            self.damage = error
            self._on_damage()

    def _collect(self) -> Iterator[Metric]:
        document = status_document(self._home, self._database, hearing=self._hearing)
        jobs = GaugeMetricFamily("baton_jobs", "Jobs by state.", labels=["ablation", "ablation_id", "state"])
        steps = GaugeMetricFamily(
            "baton_run_step", "Training step that a run has reached.", labels=list(_OF_A_RUN)
        )
        targets = GaugeMetricFamily(
            "baton_run_target_steps",
            "Training steps that a run shall have.",
            labels=list(_OF_A_RUN),
        )
        worked_on = GaugeMetricFamily(
            "baton_run_worked_on",
            "1 of a run that a worker works on, 0 of one that waits, was interrupted or is over.",
            labels=list(_OF_A_RUN),
        )
        interrupted = GaugeMetricFamily(
            "baton_jobs_interrupted",
            "Jobs that count as running while their worker is gone; the next one takes them up.",
            labels=["ablation", "ablation_id"],
        )
        for entry in document["ablations"]:
            interrupted.add_metric([entry["name"], str(entry["id"])], entry["interrupted_jobs"])
            for state, count in entry["jobs"].items():
                jobs.add_metric([entry["name"], str(entry["id"]), state], count)
            for run in entry["runs"]:
                labels = [entry["name"], str(entry["id"]), run["arm"], str(run["seed"])]
                steps.add_metric(labels, run.get("live_step", run["step"]))
                targets.add_metric(labels, run["target_steps"])
                worked_on.add_metric(labels, run["doing"] == "running")
        yield from (jobs, interrupted, steps, targets, worked_on)
        ages = GaugeMetricFamily(
            "baton_worker_heartbeat_age_seconds", "Time since a worker's last sign of life.",
            labels=list(_OF_A_WORKER),
        )  # fmt: skip
        busy = GaugeMetricFamily(
            "baton_worker_busy",
            "1 of a worker that works on a job, 0 of one that waits.",
            labels=list(_OF_A_WORKER),
        )
        aside = GaugeMetricFamily(
            "baton_worker_set_aside",
            "1 of a worker whose device is for a job of several devices.",
            labels=list(_OF_A_WORKER),
        )
        for worker in document["workers"]:
            labels = [worker["name"], worker["host"], worker["device"], str(worker["id"])]
            busy.add_metric(labels, worker["state"] == BUSY)
            aside.add_metric(labels, worker["set_aside_for"] is not None)
            age = worker["heartbeat_age_seconds"]
            if age is not None:
                ages.add_metric(labels, age)
        yield from (ages, busy, aside)
        left = GaugeMetricFamily(
            "baton_session_deadline_seconds",
            "Time until a session's machine goes away.",
            labels=["session", "host"],
        )
        for session in document["sessions"]:
            if session["left_seconds"] is not None and session["lives"] is not False:
                left.add_metric([str(session["id"]), session["host"]], session["left_seconds"])
        yield left
        yield from self._totals()

    def _totals(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily("baton_attempts", "Ended attempts.", labels=["kind", "outcome"])
        seconds = CounterMetricFamily(
            "baton_attempt_seconds", "Device time of ended attempts.", labels=["kind", "outcome", "spent_on"]
        )
        for row in progress.attempt_totals(self._database):
            attempts.add_metric([row.kind, row.outcome], row.attempts)
            for use in _SPENT_ON:
                spent = getattr(row, use)
                if spent is not None:
                    seconds.add_metric([row.kind, row.outcome, use], spent)
        events = CounterMetricFamily("baton_events", "Entries of the event log.", labels=["kind"])
        for kind, count in progress.event_totals(self._database).items():
            events.add_metric([kind], count)
        yield from (attempts, seconds, events)


def serve_metrics(home: Home, database: Database, address: str, port: int, stop: threading.Event) -> None:
    """Answer http://ADDRESS:PORT/metrics until `stop` is set. Raises StateDamaged."""
    registry = CollectorRegistry(auto_describe=False)
    collector = StateCollector(home, database, on_damage=stop.set)
    registry.register(collector)
    with MetricsServer(registry, address, port):
        stop.wait()
    if collector.damage is not None:
        raise collector.damage
