"""The rule of what still serves a purpose: as a pure function, and on the rows of an ablation at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.retention import (
    CHECKPOINTS_KEPT,
    NEEDED,
    SPENT,
    SUPERSEDED,
    Output,
    Producer,
    producers,
    rule_of,
    verdicts,
)
from db.states import FINAL, STATES, SUCCEEDED
from tests.support import RETENTION, row
from tests.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    yield workshop
    workshop.close()


def outcome(workshop: Workshop) -> dict[tuple[str, int], str]:
    """(job, step) -> verdict, asserting that files of one step share it."""
    found: dict[tuple[str, int], str] = {}
    with workshop.database.read() as tx:
        for job_id, producer in producers(tx, rule_of(tx, RETENTION)):
            for output in producer.outputs:
                verdict = verdicts(producer)[output.id]
                assert found.setdefault((str(job_id), output.step), verdict) == verdict
    labels = {str(row(workshop.database, label).id): label
              for label in ("ingest", "gaze 1", "gaze 2", "index", "train", "evaluate", "report")}  # fmt: skip
    return {(labels[job_id], step): verdict for (job_id, step), verdict in found.items()}


def test_inputs_of_unfinished_jobs_are_needed_until_these_have_read_them(workshop: Workshop) -> None:
    workshop.finish_until("index")
    assert set(outcome(workshop).values()) == {NEEDED}
    workshop.finish("index")
    # What the report shows stays, the rest of the demonstrations' files would go; here there are only two.
    assert outcome(workshop)[("index", 1)] == NEEDED
    workshop.finish("train")
    assert outcome(workshop)[("index", 1)] == SPENT
    workshop.finish("evaluate")
    workshop.finish("report")
    assert {job for (job, _), verdict in outcome(workshop).items() if verdict == NEEDED} == {
        "ingest", "gaze 1", "gaze 2", "train", "evaluate", "report",
    }  # fmt: skip


def test_the_newest_two_checkpoints_are_needed_and_none_after_the_end(workshop: Workshop) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    found = outcome(workshop)
    assert [found[("train", step)] for step in (1, 2, 3, 4)] == [SUPERSEDED, SUPERSEDED, NEEDED, NEEDED]
    workshop.finish("train", claim)
    found = outcome(workshop)
    assert [found[("train", step)] for step in (1, 2, 3, 4, 6)] == [SUPERSEDED] * 4 + [NEEDED]


outputs = st.lists(
    st.tuples(
        st.sampled_from([*sorted(RETENTION.intermediate), "checkpoint", "report", "something new"]),
        st.integers(0, 9),
        st.booleans(),
    ),
    max_size=12,
).map(
    lambda rows: [
        Output(i, kind in RETENTION.intermediate, f"path {i}", step, final)
        for i, (kind, step, final) in enumerate(rows)
    ]
)


@given(st.sampled_from(STATES), st.integers(0, 9), st.booleans(), st.booleans(), outputs)
def test_nothing_that_can_be_asked_for_is_given_up(
    state: str, step: int, wanted: bool, shown: bool, rows: list[Output]
) -> None:
    found = verdicts(Producer(state, step, wanted, shown, rows))
    assert set(found) == {output.id for output in rows}
    reachable = sorted({o.step for o in rows if not o.final and o.step <= step})
    for output in rows:
        verdict = found[output.id]
        if output.final:
            assert verdict in (NEEDED, SPENT)
            if state == SUCCEEDED and (wanted or not output.intermediate):
                assert verdict == NEEDED
        else:
            assert verdict in (NEEDED, SUPERSEDED)
            resumable = state not in FINAL or state in ("failed", "cancelled")
            assert (verdict == NEEDED) == (resumable and output.step in reachable[-CHECKPOINTS_KEPT:])
