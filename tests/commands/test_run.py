"""Which workers `--gpus` and `--cpus` ask for."""

from __future__ import annotations

import os

import pytest

from commands import run
from errors import InvalidInput


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "visible_gpus", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))


@pytest.mark.parametrize(
    ("said", "groups", "cpus"),
    [
        (None, [(0,), (1,), (2,), (3,)], 2),
        ("all", [(0,), (1,), (2,), (3,)], 2),
        ("none", [], 6),
        ("1", [(1,)], 5),
        ("0,2", [(0,), (2,)], 4),
        ("0+1,3", [(0, 1), (3,)], 4),
        ("0+1+2+3", [(0, 1, 2, 3)], 5),
    ],
)
def test_commas_separate_workers_and_plus_joins_gpus(
    four_gpus: None, said: str | None, groups: list[tuple[int, ...]], cpus: int
) -> None:
    devices = run.devices_of(said, None)
    assert (list(devices.gpus), devices.cpus) == (groups, cpus)
    assert run.devices_of(said, 1).cpus == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("two", "is not all, none, or numbers separated by commas"),
        ("0,", "is not all, none"),
        ("-1", "is not all, none"),
        ("0++1", "is not all, none"),
        ("0,0", "names a GPU twice"),
        ("0+1,1", "names a GPU twice"),
        ("0,7", r"this machine has no GPU 7, only \[0, 1, 2, 3\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(four_gpus: None, said: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        run.devices_of(said, None)
