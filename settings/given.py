"""What this process was given of its machine: cores and memory. GPUs are in `settings.gpus`.

The least of what the kernel, its control groups and SLURM say; SLURM's own word counts where a cluster enforces
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from settings import cgroups

_MIB = 2**20


@dataclass(frozen=True)
class Cores:
    """count: at least 1. machine: how many it has. why: what says so where that is less, else empty."""

    count: int
    machine: int
    why: str


@dataclass(frozen=True)
class Memory:
    """In bytes. why: what limits it to less than the machine has, else empty."""

    total: int
    available: int
    why: str


def cores() -> Cores:
    """How many cores this process may use at once."""
    machine = os.cpu_count() or 1
    said: list[tuple[int, str]] = [
        (machine, ""),
        (len(os.sched_getaffinity(0)), "the set of cores that it may run on"),
        *((max(1, int(limit.amount)), str(limit.where)) for limit in cgroups.core_limits()),
        *_slurm("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"),
    ]
    count, why = min(said, key=lambda each: each[0])
    return Cores(count, machine, why)


def memory() -> Memory:
    """How much memory this process and its children may use, and how much of it is free."""
    machine = psutil.virtual_memory()
    limits = cgroups.memory_limits()
    said: list[tuple[float, str]] = [
        (machine.total, ""),
        *((limit.amount, str(limit.where)) for limit in limits),
        *((count * _MIB, name) for count, name in _slurm("SLURM_MEM_PER_NODE") or _slurm_memory_per_core()),
    ]
    total, why = min(said, key=lambda each: each[0])
    free = [machine.available, total, *(max(0.0, limit.amount - limit.used) for limit in limits)]
    return Memory(int(total), int(min(free)), why)


def _slurm_memory_per_core() -> list[tuple[int, str]]:
    cores_here = _slurm("SLURM_CPUS_ON_NODE")
    return [(each * cores_here[0][0], name) for each, name in _slurm("SLURM_MEM_PER_CPU") if cores_here]


def _slurm(*names: str, environment: Mapping[str, str] = os.environ) -> list[tuple[int, str]]:
    """The first of these variables that holds a number above 0, as (number, what says so)."""
    for name in names:
        text = environment.get(name, "").strip()
        if text.isascii() and text.isdigit() and int(text) > 0:
            return [(int(text), f"{name}={text}")]
    return []
