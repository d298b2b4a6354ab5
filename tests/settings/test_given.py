"""Cores and memory: the least of what kernel, control groups and SLURM say."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from settings import cgroups, given
from settings.cgroups import Limit

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 cores, 64 GiB with 40 free, and nothing that limits them."""
    for name in ("CPUS_PER_TASK", "CPUS_ON_NODE", "MEM_PER_NODE", "MEM_PER_CPU"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB, available=40 * GIB))
    monkeypatch.setattr(cgroups, "core_limits", list)
    monkeypatch.setattr(cgroups, "memory_limits", list)


def test_a_whole_machine() -> None:
    assert given.cores() == given.Cores(16, 16, "")
    assert given.memory() == given.Memory(64 * GIB, 40 * GIB, "")


def test_the_least_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7, 9, 11, 13})
    assert given.cores() == given.Cores(6, 16, "the set of cores that it may run on")
    monkeypatch.setattr(cgroups, "core_limits", lambda: [Limit(8.0, Path("/a")), Limit(2.5, Path("/b"))])
    assert given.cores() == given.Cores(2, 16, "/b"), "half a core is none to work on"
    monkeypatch.setattr(cgroups, "core_limits", lambda: [Limit(0.2, Path("/c"))])
    assert given.cores().count == 1
    monkeypatch.setattr(cgroups, "core_limits", lambda: [Limit(64.0, Path("/c"))])
    assert given.cores().count == 6


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({"CPUS_PER_TASK": "1", "CPUS_ON_NODE": "2"}, 1),
        ({"CPUS_ON_NODE": "3"}, 3),
        ({"CPUS_PER_TASK": "", "CPUS_ON_NODE": "4"}, 4),
        ({"CPUS_PER_TASK": "0", "CPUS_ON_NODE": "16(x2)"}, 16),
        ({"CPUS_PER_TASK": "two"}, 16),
        ({"CPUS_PER_TASK": "\u0662"}, 16),
        ({"CPUS_PER_TASK": "128"}, 16),
    ],
)
def test_cores_of_a_slurm_job(variables: dict[str, str], count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", text)
    assert given.cores().count == count


def test_memory_of_the_narrowest_group(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [Limit(8 * GIB, Path("/a"), used=3 * GIB), Limit(12 * GIB, Path("/b"), used=11 * GIB)]
    monkeypatch.setattr(cgroups, "memory_limits", lambda: limits)
    assert given.memory() == given.Memory(8 * GIB, 1 * GIB, "/a"), "the room above is smaller than the limit"
    limits[:] = [Limit(GIB, Path("/a"), used=2 * GIB)]
    assert given.memory().available == 0


def test_memory_of_a_slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1024")
    assert given.memory().total == 64 * GIB, "for how many is not said"
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "4")
    assert given.memory() == given.Memory(4 * GIB, 4 * GIB, "SLURM_MEM_PER_CPU=1024")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "500")
    assert given.memory().total == 500 * 2**20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all that the node has
    assert given.memory().total == 4 * GIB
