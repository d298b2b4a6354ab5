"""Measured points: which are for people, and which for the body alone."""

from __future__ import annotations

from db import inputs, jobs, queries
from db.engine import Database
from db.jobs import MetricPoint, Seconds
from settings.points import OF_DEMONSTRATION
from tests.support import NOW, planned, start, submit, worker


def test_losses_of_single_demonstrations_are_for_the_body_alone(database: Database) -> None:
    """TensorBoard, logs and report would have a curve for each."""
    submit(database, planned("a", target_steps=7))
    claim = start(database, "a", worker(database))
    names = ("validation/action", f"{OF_DEMONSTRATION}7", f"{OF_DEMONSTRATION}12", "validationXby")
    measured = [MetricPoint(name, step, 0.5) for step in (2, 4) for name in names]
    jobs.publish(database, claim, 4, [], measured, Seconds(useful=4), NOW)
    assert {point.name for point in queries.metrics_of(database, claim.job_id)} == {names[0], names[3]}
    found = inputs.points(database, claim.job_id, "validation", 3)
    assert sorted(point.name for point in found) == sorted(names) and {point.step for point in found} == {2}
    of_each = inputs.points(database, claim.job_id, OF_DEMONSTRATION, 4)
    assert [point.step for point in of_each] == [2, 2, 4, 4]
