"""Whether what is to be trained fits the devices of a session, from shapes alone and before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from errors import BatonError, ConfigError, InvalidInput
from settings import given
from settings.json_values import JsonObject
from settings.streams import say

if TYPE_CHECKING:
    from models.costs import Costs
    from tasks.specs import TrainSpec

_GIB = 2**30
#: Share of a device that a proposal leaves free: an estimate knows nothing of what libraries take for themselves.
SPARE = 0.1
_STAGES = {"train": "training", "pretrain": "pretraining"}


class Planned(Protocol):
    """A job, planned or waiting."""

    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def spec(self) -> JsonObject: ...


@dataclass(frozen=True)
class Room:
    """groups: GPUs of each worker; none: training runs on the processor. gpu_bytes: memory by GPU, for those that told.
    shared: workers of other machines may take the jobs too.
    """

    groups: Sequence[Sequence[int]]
    gpu_bytes: Mapping[int, int]
    shared: bool = False

    @property
    def saves_there(self) -> bool:
        """Whether what a checkpoint copies lies in the same memory as what is trained."""
        return not self.groups

    def largest(self, devices: int) -> tuple[str, float] | None:
        """(what it is called, GiB) of the most that each of so many devices has; None: nobody told, or there are not as
        many."""
        if not self.groups:
            memory = given.memory().total / _GIB / devices
            return ("this machine" if devices == 1 else f"each of {devices} ranks on this machine"), memory
        # A job of several gets those of any workers.
        pool = sorted(
            (self.gpu_bytes[gpu], gpu) for group in self.groups for gpu in group if gpu in self.gpu_bytes
        )
        if len(pool) < devices:
            return None
        size, gpu = pool[-devices]
        return f"GPU {gpu}", size / _GIB


def check(jobs: Iterable[Planned], room: Room, *, refuse: bool = True) -> None:
    """Raises ConfigError where training cannot fit even with one sample a micro-batch; where `refuse` is not set, or
    others may have the device for it, that is a warning. A `micro_batch` that is too large is one too: training halves
    it until it fits. What cannot be estimated here is told.
    """
    from tasks.registry import PRETRAIN, TRAIN

    kinds = {kind.name: kind for kind in (PRETRAIN, TRAIN)}
    seen: list[tuple[str, object, object]] = []
    for job in jobs:
        if job.kind not in kinds:
            continue
        try:
            spec = kinds[job.kind].spec_of(job.spec)
        except InvalidInput:  # no worker can read it either, and its job ends with that reason
            continue
        told = None
        try:
            what = job.kind, spec.model.config, spec.training
            # The toy takes some MiB, for which no command should wait for torch; seeds differ in nothing else.
            if spec.model.config.get("size") != "toy" and what not in seen:
                seen.append(what)
                told = _misfit(job, spec, room)
        except BatonError as error:
            say(f"warning: {job.label}: what it takes of memory is not known here: {error}", error=True)
        if told is not None and told.hopeless and refuse and not room.shared:
            raise ConfigError(told.sentence)
        if told is not None:
            say(f"warning: {told.sentence}", error=True)


@dataclass(frozen=True)
class _Misfit:
    """hopeless: not even one sample at a time fits."""

    sentence: str
    hopeless: bool


def _misfit(job: Planned, spec: TrainSpec, room: Room) -> _Misfit | None:
    from tasks.train.needs import costs_of, with_copy

    devices = spec.training.devices // spec.training.nodes  # of this machine
    found = room.largest(devices)
    if found is None and (most := sum(map(len, room.groups))) < devices:
        asked = f"{job.label} asks for {devices} devices"
        return _Misfit(f"{asked}, and the workers here have {most}: nothing was compared", False)
    if found is None:
        return _Misfit(f"{job.label}: no GPU told its memory, so nothing was compared with it", False)
    place, memory = found
    costs, wanted = costs_of(spec), spec.training.micro_batch
    if room.saves_there:
        costs = with_copy(costs)
    if costs.total > memory:
        copy = f", the copy of a checkpoint {costs.copied:.1f}" if room.saves_there else ""
        sentence = (
            f"{job.label} needs {costs.total:.1f} GiB of a device with one sample a micro-batch (computed: weights "
            f"{costs.weights:.1f}, gradients {costs.gradients:.1f}, moments {costs.optimizer:.1f}, activations "
            f"{costs.activations:.1f}{copy}), and {place} has {memory:.1f}: {_what_fits(job, spec, memory, room)}"
        )
        return _Misfit(sentence, True)
    if wanted is None or costs.with_samples(wanted) <= memory:
        return None
    most = max(1, costs.largest_micro_batch(memory * (1 - SPARE)))
    sentence = (
        f"{job.label}: a micro-batch of {wanted} needs {costs.with_samples(wanted):.1f} GiB (computed), and {place} "
        f"has {memory:.1f}: it will be halved until it fits; --set {_STAGES[job.kind]}.micro_batch={most} spares the "
        "tries"
    )
    return _Misfit(sentence, False)


def _what_fits(job: Planned, spec: TrainSpec, memory: float, room: Room) -> str:
    """memory: GiB of each of the devices that it asks for."""
    from tasks.train.needs import alternatives, over_more, with_copy

    def total(costs: Costs) -> float:
        return (with_copy(costs) if room.saves_there else costs).total

    def limit(devices: int) -> float:
        """Of each of so many here; where there are not as many, of as many like these."""
        found = room.largest(devices)
        return (memory if found is None else found[1]) * (1 - SPARE)

    stage = _STAGES[job.kind]
    several = next(
        (
            f"; over {count} devices each takes {total(costs):.1f}"
            for count, costs in over_more(spec)
            if total(costs) <= limit(count // spec.training.nodes)
        ),
        "",
    )
    words = needed = ""
    for other in alternatives(spec):
        # In quotes: a shell would read the braces and blanks.
        words = " ".join(f"--set '{stage}.{name}={value}'" for name, value in other.changes)
        needed = f"{words} takes {total(other.costs):.1f}"
        if total(other.costs) <= limit(other.devices):
            return f"{needed}{several}"
    least = f"; the least of it, {needed}" if words else ""
    return f"no way to train this size fits; choose a smaller model.size{several}{least}"
