"""When units stay gathered between the micro-batches of a step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from settings.given import Memory
from tasks.registry import TRAIN
from tasks.specs import TrainSpec
from tasks.train.gang.room import can_keep_gathered
from tasks.train.needs import rank_costs_of
from tests import job_specs
from tests.training import training_spec

CPU, GIB = torch.device("cpu"), 2**30


def spec_of(**training: object) -> TrainSpec:
    spec = TRAIN.spec_of(job_specs.spec_of("train", training_spec(1, batch_size=8, devices=2, **training)))
    assert isinstance(spec, TrainSpec)
    return spec


@pytest.mark.parametrize(("over", "kept"), [(1.1, True), (0.9, False)])
def test_they_stay_where_every_rank_has_the_memory(
    over: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the processor the copy that a checkpoint is written from counts too."""
    spec = spec_of(micro_batch=1)
    costs = rank_costs_of(spec)
    free = int(2 * over * (costs.kept_gathered + costs.optimizer) / 0.8 * GIB)
    monkeypatch.setattr("tasks.train.gang.room.given.memory", lambda: Memory(free, free, ""))
    assert can_keep_gathered(spec, CPU) is kept
    once = replace(spec, training=replace(spec.training, micro_batch=4))
    assert not can_keep_gathered(once, CPU), "with one micro-batch a step there is nothing to keep for"
