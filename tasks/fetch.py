"""The kinds of job that bring data from the Hub, and plan an ablation once they are here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from settings.bounds import Text
from settings.typed_json import Items, Whole
from tasks.kind import JobResult, Kind, Spec


@dataclass(frozen=True, kw_only=True)
class FetchSpec(Spec):
    """name: as `hub.names` writes it, with a commit. of: what the repository is. splits, episodes, cameras: of a
    dataset, see `calvin.needed.Need`."""

    name: Text
    of: Literal["dataset", "model"]
    splits: Items[Text] | None = None
    episodes: Annotated[str, Field(max_length=1_000_000)] | None = None
    cameras: Items[Text] | None = None

    @property
    def loads_model(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class FetchResult(JobResult):
    """files, bytes: of what was to be fetched. moved, cuts, waits, wrong: what came over the wire and what went wrong
    on the way, in the attempt that ended it."""

    files: Whole
    bytes: Whole
    moved: Whole
    cuts: Whole
    waits: Whole
    wrong: Whole

    def of_the_way(self) -> frozenset[str]:
        return frozenset({"moved", "cuts", "waits", "wrong"})


@dataclass(frozen=True, kw_only=True)
class PlanSpec(Spec):
    """settings: of the ablation that is planned, whole."""

    settings: Mapping[str, object]

    @property
    def loads_model(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class PlanResult(JobResult):
    """jobs: of the ablation from then on."""

    jobs: Whole


FETCH = Kind(
    name="fetch",
    specs=(FetchSpec,),
    results=(FetchResult,),
    body="tasks.data.fetch:run",
    resource="cpu",
    priority=5,
    version=1,
    makes=("fetched",),
    intermediate=True,
    reads_outside=True,
    unaudited="its bytes were proved by the Hub's digests when they came",
    decided_by=frozenset(),
)

PLAN = Kind(
    name="plan",
    specs=(PlanSpec,),
    results=(PlanResult,),
    body="experiments.reconvla.planning:run",
    resource="cpu",
    priority=7,
    version=1,
    makes=(),
    reads_outside=True,
    unaudited="the jobs that it planned are audited themselves",
    decided_by=frozenset(),
)
