"""The number of samples that memory is known to hold."""

from __future__ import annotations

import pytest

from errors import InvalidInput
from tasks.memory_limits import MemoryLimits


def test_the_micro_batch_is_halved_from_the_step_the_run_goes_on_from() -> None:
    once = MemoryLimits().halved(16, 120)
    assert once == MemoryLimits(micro_batch=((120, 8),))
    assert once is not None
    assert once.halved(16, 200) == MemoryLimits(micro_batch=((120, 8), (200, 4)))
    assert once.row() == {"micro_batch": [[120, 8]]}
    assert MemoryLimits.of_row({"micro_batch": [[120, 8]], "other": 1}) == once


@pytest.mark.parametrize(
    ("limits", "samples"),
    [(MemoryLimits(micro_batch=((0, 1),)), 16), (MemoryLimits(), None), (MemoryLimits(), 1)],
)
def test_there_is_an_end_to_it(limits: MemoryLimits, samples: int | None) -> None:
    assert limits.halved(samples, 3) is None


def test_a_row_of_another_shape_is_refused_by_its_entry() -> None:
    with pytest.raises(InvalidInput, match="memory: micro_batch"):
        MemoryLimits.of_row({"micro_batch": [["one", 2]]})
