"""Declarations of kinds: what rows hold, in all formats there were."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from errors import InvalidInput
from tasks.kind import Spec, threads_of
from tasks.registry import EVALUATE, FETCH, GAZE, INGEST, KINDS, PLAN, REPORT, TRAIN, AnyKind
from tasks.specs import ClosedLoopSpec, OpenLoopSpec, TrainSpec
from tests.job_specs import result_of, spec_of

ALL = [(kind, {}) for kind in KINDS] + [("evaluate", {"mode": "closed_loop"})]


@pytest.mark.parametrize(("name", "entries"), ALL)
def test_parameters_and_results_are_written_as_they_are_read(name: str, entries: dict[str, Any]) -> None:
    kind = KINDS[name]
    spec, result = kind.spec_of(spec_of(name, entries)), kind.result_of(result_of(name, entries))
    assert kind.spec_of(spec.row()) == spec
    assert kind.result_of(result.row()) == result
    assert spec.row().get("format") == (len(spec.upgrades) or None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_what_a_kind_says_of_itself_fits(kind: AnyKind) -> None:
    assert kind.load_body().__module__ == kind.body.partition(":")[0]
    assert (kind.makes or kind is PLAN) and (kind.unaudited == "" or kind in (FETCH, PLAN, REPORT))
    for held in (*kind.specs, *kind.results):
        assert held.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_a_job_of_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidInput, match="kind train: format 7 is not known to this Baton"):
        TRAIN.spec_of({**spec_of("train"), "format": 7})


@pytest.mark.parametrize(
    ("kind", "lacking", "reads"),
    [
        (TRAIN, ("drawn_by", "drawn_basis"), {"drawn_by": "not looked at", "drawn_basis": None}),
        (GAZE, ("version", "targets", "unknown_wording"), {"version": None, "unknown_wording": "no_target"}),
        (INGEST, ("identity",), {"identity": ()}),
    ],
)
def test_jobs_of_earlier_versions_say_what_those_did(
    kind: AnyKind, lacking: tuple[str, ...], reads: dict[str, Any]
) -> None:
    earlier = {name: value for name, value in spec_of(kind.name).items() if name not in lacking}
    spec = kind.spec_of(earlier)
    assert {name: getattr(spec, name) for name in reads} == reads


def test_an_evaluation_is_of_one_of_two_forms() -> None:
    assert isinstance(EVALUATE.spec_of(spec_of("evaluate")), OpenLoopSpec)
    shard = EVALUATE.spec_of(spec_of("evaluate", mode="closed_loop", simulators=3))
    assert isinstance(shard, ClosedLoopSpec)
    assert (shard.at_once, shard.time_slice, shard.part) == (3, 600.0, None)
    older = {
        name: value for name, value in spec_of("evaluate", mode="closed_loop").items() if name != "renderer"
    }
    assert dataclasses.asdict(EVALUATE.spec_of(older))["renderer"] == "tiny"


def test_what_a_queue_asks_of_parameters() -> None:
    training = TRAIN.spec_of(spec_of("train", training={"micro_batch": 2, "threads": 3}))
    assert isinstance(training, TrainSpec)
    assert (training.samples_at_once, training.cpu_threads, training.at_once) == (2, 3, 1)
    assert (threads_of(training), threads_of(Spec()), threads_of(Spec(), 5)) == (3, 1, 5)
    seen = GAZE.spec_of(spec_of("gaze"))
    assert (seen.loads_model, seen.time_slice, seen.cpu_threads, seen.samples_at_once) == (
        False,
        None,
        None,
        None,
    )
    assert seen.part == seen.finder
