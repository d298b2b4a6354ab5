"""Jobs that are alike are what they are where each is added by itself."""

from __future__ import annotations

from typing import Literal

import pytest

from db.plans import Dependency
from detectors.spec import FinderOptions
from experiments.reconvla.job_book import JobBook, digest
from tasks.registry import GAZE
from tasks.specs import GazeSpec

NUMBERS = (0, 7, 12_345_678_901, 7)


def spec_of(number: int) -> GazeSpec:
    return GazeSpec(
        number=number,
        unknown_wording="task",
        detector="colour",
        version='4 of "ö" and \0number',
        options=FinderOptions(stages=("colour", "0"), interval=8),
        targets=2,
    )


def need_of(number: int) -> str:
    return digest({"made": number % 2})


@pytest.mark.parametrize("scheduling", ["round_robin", "finish_first"])
@pytest.mark.parametrize("resource", [None, "accelerator"])
def test_they_are_as_those_that_come_one_by_one(
    scheduling: Literal["round_robin", "finish_first"], resource: str | None
) -> None:
    one_by_one, together = JobBook(scheduling), JobBook(scheduling)
    add = together.alike(GAZE, spec_of(3), "number", "episode", resource)
    for book in (one_by_one, together):
        book.add(GAZE, "gaze task_0", spec_of(99), [])  # whose label another asks for too
    for number in NUMBERS:
        label = f"gaze task_{number}"
        needs = [Dependency(need_of(number), "episode")]
        expected = one_by_one.add(GAZE, label, spec_of(number), needs, resource=resource)
        assert add(label, number, need_of(number)) == expected
    assert together.jobs == one_by_one.jobs
    assert [list(job.spec) for job in together.jobs] == [list(job.spec) for job in one_by_one.jobs]


def test_each_has_parameters_of_its_own() -> None:
    book = JobBook("round_robin")
    add = book.alike(GAZE, spec_of(3), "number", "episode")
    for number in (1, 2):
        add(f"gaze task_{number}", number, need_of(number))
    assert [job.spec["number"] for job in book.jobs] == [1, 2]
