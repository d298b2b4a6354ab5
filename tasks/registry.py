"""The kinds of job: which function does the work, what it needs, and the version of its output."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from errors import BatonError
from settings.shown import shown
from tasks.context import Result, TaskContext

Body = Callable[[TaskContext], Result]


@dataclass(frozen=True)
class Kind:
    """version: part of every job's key; raise it when the body's output changes for the same input.

    any_build: it computes nothing and only shows results, so an open job of another version may be run.
    """

    body: str  # "module:function", imported on use
    resource: str  # cpu, accelerator
    priority: int  # lower first
    version: int
    any_build: bool = False

    @property
    def planned_version(self) -> int | None:
        """What a job's row says: the version that must run it, None for any."""
        return None if self.any_build else self.version


KINDS = {
    "ingest": Kind("tasks.ingest:run", "cpu", 10, 4),
    "gaze": Kind("tasks.gaze:run", "cpu", 20, 5),
    "index": Kind("tasks.index:run", "cpu", 30, 3),
    "pretrain": Kind("tasks.train:run", "accelerator", 40, 2),
    "train": Kind("tasks.train:run", "accelerator", 50, 2),
    "evaluate": Kind("tasks.evaluate:run", "accelerator", 60, 2),
    "attention": Kind("tasks.attention:run", "accelerator", 70, 3),
    "reconstruct": Kind("tasks.reconstruct:run", "accelerator", 75, 2),
    "report": Kind("tasks.report:run", "cpu", 90, 2, any_build=True),
}


def versions() -> list[tuple[str, int]]:
    """(kind, version) of all bodies that this build has: the jobs that it may run."""
    return [(name, kind.version) for name, kind in KINDS.items()]


def kind_named(name: str) -> Kind:
    try:
        return KINDS[name]
    except KeyError:
        raise BatonError(f"unknown kind of job {shown(name)}; known: {', '.join(KINDS)}") from None


def body_of(kind: str) -> Body:
    """Import and return the function of a kind."""
    module, _, function = kind_named(kind).body.partition(":")
    body: Body = getattr(importlib.import_module(module), function)
    return body


def import_bodies(resource: str) -> None:
    """Import the modules of all kinds that run on `resource`, so that the next job need not wait for it."""
    for kind in KINDS.values():
        if kind.resource == resource:
            importlib.import_module(kind.body.partition(":")[0])
