"""What a training job takes of memory, from the shapes of its model, and with which other settings it takes less.

Nothing is allocated or measured (`models.costs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from models.config import ReconVLAConfig
from models.costs import Costs, Method, training_costs
from models.rank_costs import RankCosts, rank_costs
from tasks.specs import LoraSpec, TrainingSpec, TrainSpec

#: Of adapters that are proposed: LoRA's usual rank, and twice as much for alpha.
_PROPOSED = LoraSpec(rank=16, alpha=32, four_bit=False)
#: Bytes a weight in NF4: 4 bits, and a float32 scale for every 64.
_NF4 = 0.5625

_MORE_DEVICES = (2, 4, 8, 16)

_Change: TypeAlias = Callable[[TrainingSpec], TrainingSpec]


@dataclass(frozen=True)
class Alternative:
    """changes: settings of the stage, by name, as they are written. costs: of each of `devices` of one machine."""

    changes: tuple[tuple[str, str], ...]
    costs: Costs
    devices: int


def costs_of(spec: TrainSpec) -> Costs:
    """Of each device. Raises EnvironmentLacks where a part of the model cannot be made here.

    Of several each holds its share of the model, and what is gathered of it for the length of a step (`rank_costs`).
    """
    whole = training_costs(ReconVLAConfig.from_dict(spec.model.config), _method(spec.training))
    if spec.training.devices == 1:
        return whole
    rank = rank_costs_of(spec)
    return replace(
        whole,
        weights=rank.weights,
        gradients=rank.gradients,
        optimizer=rank.optimizer,
        copied=rank.copied,
        total=rank.total,
    )


def with_copy(costs: Costs) -> Costs:
    """Where the memory that is trained in is the host's too."""
    return replace(costs, total=costs.total + costs.copied)


def rank_costs_of(spec: TrainSpec) -> RankCosts:
    """Of each of its devices. Raises as `costs_of`."""
    config = ReconVLAConfig.from_dict(spec.model.config)
    return rank_costs(config, _method(spec.training), spec.training.devices)


def over_more(spec: TrainSpec) -> Iterator[tuple[int, Costs]]:
    """The same training over more devices, each with what it then needs of one; none where it is of one device only."""
    settings = spec.training
    if settings.lora is not None or settings.precision == "fp16":
        return
    for devices in _MORE_DEVICES:
        if devices > settings.devices:
            yield devices, costs_of(replace(spec, training=replace(settings, devices=devices)))


def alternatives(spec: TrainSpec) -> Iterator[Alternative]:
    """The same training with less and less memory, each with the changes of those before."""
    settings, changes = spec.training, dict[str, str]()
    for name, written, changed in _steps(settings):
        changes[name] = written
        settings = changed(settings)
        costs = costs_of(replace(spec, training=settings))
        yield Alternative(tuple(changes.items()), costs, settings.devices // settings.nodes)


def _steps(settings: TrainingSpec) -> Iterator[tuple[str, str, _Change]]:
    if not settings.gradient_checkpointing:
        yield "gradient_checkpointing", "true", lambda held: replace(held, gradient_checkpointing=True)
    if settings.precision == "fp32":
        yield "precision", "bf16", lambda held: replace(held, precision="bf16")
    if settings.elastic:
        yield "elastic", "false", lambda held: replace(held, elastic=False)
    if settings.nodes > 1:
        yield "nodes", "1", lambda held: replace(held, nodes=1)
    if settings.devices > 1:  # adapters are trained on one
        yield "devices", "1", lambda held: replace(held, devices=1)
    lora = settings.lora
    if lora is None:
        lora = _PROPOSED
        yield "lora", _written(lora), lambda held: replace(held, lora=_PROPOSED)
    if not lora.four_bit:
        packed = replace(lora, four_bit=True)
        yield "lora", _written(packed), lambda held: replace(held, lora=packed)


def _written(lora: LoraSpec) -> str:
    return f"{{rank: {lora.rank}, alpha: {lora.alpha}, four_bit: {str(lora.four_bit).lower()}}}"


def _method(settings: TrainingSpec) -> Method:
    half, lora = settings.precision != "fp32", settings.lora
    frozen = 2.0 if half else 4.0
    return Method(
        name="as the job has it",
        full=lora is None,
        half=half,
        checkpointing=settings.gradient_checkpointing,
        bytes_per_weight=_NF4 if lora is not None and lora.four_bit else frozen,
        adapter_rank=0 if lora is None else lora.rank,
    )
