"""The kinds of job: which function does the work, what it needs, and the version of its output."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from errors import BatonError
from tasks.context import Result, TaskContext

Body = Callable[[TaskContext], Result]


@dataclass(frozen=True)
class Kind:
    """version: part of every job's key; raise it when the body's output changes for the same input."""

    body: str  # "module:function", imported on use
    resource: str  # cpu, accelerator
    priority: int  # lower first
    version: int


KINDS = {
    "ingest": Kind("tasks.ingest:run", "cpu", 10, 4),
    "gaze": Kind("tasks.gaze:run", "cpu", 20, 5),
    "index": Kind("tasks.index:run", "cpu", 30, 3),
    "pretrain": Kind("tasks.train:run", "accelerator", 40, 2),
    "train": Kind("tasks.train:run", "accelerator", 50, 2),
    "evaluate": Kind("tasks.evaluate:run", "accelerator", 60, 2),
    "attention": Kind("tasks.attention:run", "accelerator", 70, 3),
    "reconstruct": Kind("tasks.reconstruct:run", "accelerator", 75, 2),
    "report": Kind("tasks.report:run", "cpu", 90, 2),
}


def kind_named(name: str) -> Kind:
    try:
        return KINDS[name]
    except KeyError:
        raise BatonError(f"unknown kind of job {name!r}; known: {', '.join(KINDS)}") from None


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
