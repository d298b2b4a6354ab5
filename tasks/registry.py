"""The kinds of job. A new one is its declaration, here or in a module of its own, and its name in KINDS."""

from __future__ import annotations

from typing import cast

from errors import BatonError
from settings.shown import shown
from tasks import results, specs
from tasks.fetch import FETCH, PLAN
from tasks.kind import JobResult, Kind, Spec

AnyKind = Kind[Spec, JobResult]

INGEST = Kind(
    name="ingest",
    specs=(specs.IngestSpec,),
    results=(results.IngestResult,),
    body="tasks.data.ingest:run",
    resource="cpu",
    priority=10,
    version=4,
    makes=("episode",),
    intermediate=True,
    reads_outside=True,
    decided_by=frozenset(
        {"processor", "instructions", "python", "numpy", "pybullet", "pillow", "variables", "body"}
    ),
)

GAZE = Kind(
    name="gaze",
    specs=(specs.GazeSpec,),
    results=(results.GazeResult,),
    body="tasks.gaze.run:run",
    resource="cpu",
    priority=20,
    version=5,
    makes=("gaze",),
    intermediate=True,
    pictured=6,
    decided_by=frozenset(
        {"processor", "instructions", "python", "numpy", "opencv-python-headless", "variables", "body"}
    ),
)

INDEX = Kind(
    name="index",
    specs=(specs.IndexSpec,),
    results=(results.IndexResult,),
    body="tasks.data.index:run",
    resource="cpu",
    priority=30,
    version=3,
    makes=("index",),
    intermediate=True,
    decided_by=frozenset({"python", "numpy", "body"}),
)

PRETRAIN = Kind(
    name="pretrain",
    specs=(specs.TrainSpec,),
    results=(results.TrainResult,),
    body="tasks.train.run:run",
    elsewhere="tasks.train.gang.elsewhere:run",
    resource="accelerator",
    priority=40,
    finish_first=50,
    version=2,
    makes=("checkpoint",),
    sliced=True,
)

TRAIN = Kind(
    name="train",
    specs=(specs.TrainSpec,),
    results=(results.TrainResult,),
    body="tasks.train.run:run",
    elsewhere="tasks.train.gang.elsewhere:run",
    resource="accelerator",
    priority=50,
    version=2,
    makes=("checkpoint",),
    sliced=True,
)

EVALUATE: Kind[
    specs.OpenLoopSpec | specs.ClosedLoopSpec, results.OpenLoopResult | results.ClosedLoopResult
] = Kind(
    name="evaluate",
    specs=(specs.OpenLoopSpec, specs.ClosedLoopSpec),
    results=(results.OpenLoopResult, results.ClosedLoopResult),
    body="tasks.evaluate.run:run",
    resource="accelerator",
    priority=60,
    finish_first=45,
    version=2,
    makes=("evaluation",),
)

ATTENTION = Kind(
    name="attention",
    specs=(specs.AttentionSpec,),
    results=(results.AttentionResult,),
    body="tasks.probes.attention:run",
    resource="accelerator",
    priority=70,
    finish_first=45,
    version=3,
    makes=("attention",),
)

RECONSTRUCT = Kind(
    name="reconstruct",
    specs=(specs.ReconstructSpec,),
    results=(results.ReconstructResult,),
    body="tasks.probes.reconstruct:run",
    resource="accelerator",
    priority=75,
    finish_first=45,
    version=2,
    makes=("reconstruction",),
)

REPORT = Kind(
    name="report",
    specs=(specs.ReportSpec,),
    results=(results.ReportResult,),
    body="experiments.report_body:run",
    resource="cpu",
    priority=90,
    version=2,
    makes=("report",),
    any_build=True,
    unaudited="it is made of rows, and made anew by `report`",
)

#: What a body of a kind is given was made by that kind, so one table may hold all.
KINDS: dict[str, AnyKind] = {
    kind.name: cast(AnyKind, kind)
    for kind in (FETCH, PLAN, INGEST, GAZE, INDEX, PRETRAIN, TRAIN, EVALUATE, ATTENTION, RECONSTRUCT, REPORT)
}


def versions() -> list[tuple[str, int]]:
    """(kind, version) of all bodies that this build has: the jobs that it may run."""
    return [(name, kind.version) for name, kind in KINDS.items()]


def artifact_kinds() -> list[str]:
    """All that jobs make."""
    return list(dict.fromkeys(made for kind in KINDS.values() for made in kind.makes))


def kind_named(name: str) -> AnyKind:
    try:
        return KINDS[name]
    except KeyError:
        raise BatonError(f"unknown kind of job {shown(name)}; known: {', '.join(KINDS)}") from None


def import_bodies(resource: str) -> None:
    """Import the modules of all kinds that run on `resource`, so that the next job need not wait for it."""
    for kind in KINDS.values():
        if kind.resource == resource:
            kind.load_body()
