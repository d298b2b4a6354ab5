"""The number of samples that memory is known to hold."""

from __future__ import annotations

from typing import Any

import pytest

from errors import ConfigError, InvalidInput
from tasks.memory_limits import MemoryLimits
from tasks.registry import REPORT
from tests import job_specs
from tests.tasks.fake_context import spec_of
from tests.training import training_spec


def test_the_micro_batch_is_halved_from_the_step_the_run_goes_on_from() -> None:
    once = MemoryLimits().halved(16, 120)
    assert once == MemoryLimits(micro_batch=((120, 8),))
    assert once is not None
    assert once.halved(16, 200) == MemoryLimits(micro_batch=((120, 8), (200, 4)))
    assert once.row() == {"micro_batch": [[120, 8]]}
    assert MemoryLimits.of_row({"micro_batch": [[120, 8]], "other": 1}) == once


def test_devices_that_it_was_given_stay_and_divide_what_it_is_told() -> None:
    limits = MemoryLimits.of_row({"devices": 4})
    less = limits.halved(16, 3)
    assert less is not None and less.row() == {"micro_batch": [[3, 8]], "devices": 4}
    spec = spec_of(training_spec(10, batch_size=8))
    told = limits.told(spec)
    assert (told.processes, told.samples_at_once) == (4, 2)
    assert told.divided_over(1) == spec == MemoryLimits().told(spec)


@pytest.mark.parametrize(
    ("training", "said"),
    [({"precision": "fp16"}, "fp16"), ({"lora": {"rank": 1, "alpha": 1, "four_bit": False}}, "lora")],
)
def test_what_is_trained_on_one_device_is_not_divided(training: dict[str, Any], said: str) -> None:
    spec = spec_of(training_spec(10, **training))
    with pytest.raises(ConfigError, match=f"training with {said} is done on one device"):
        spec.divided_over(2)
    with pytest.raises(ConfigError, match="only training"):
        spec_of(job_specs.spec_of("report"), REPORT).divided_over(2)


@pytest.mark.parametrize(
    ("limits", "samples"),
    [(MemoryLimits(micro_batch=((0, 1),)), 16), (MemoryLimits(), None), (MemoryLimits(), 1)],
)
def test_there_is_an_end_to_it(limits: MemoryLimits, samples: int | None) -> None:
    assert limits.halved(samples, 3) is None


def test_a_row_of_another_shape_is_refused_by_its_entry() -> None:
    with pytest.raises(InvalidInput, match="memory: micro_batch"):
        MemoryLimits.of_row({"micro_batch": [["one", 2]]})
