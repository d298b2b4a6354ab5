"""What an evaluation that is under way says so far."""

from __future__ import annotations

import numpy as np
import pytest

from errors import InvalidInput
from tasks.evaluate.estimate import running_estimate


def test_running_estimate_by_hand() -> None:
    estimate = running_estimate([5, 5, 0, 0, 2, 2, 3, 3])
    assert (estimate.sequences, estimate.success1, estimate.success5, estimate.avg_len) == (
        8,
        0.75,
        0.25,
        2.5,
    )
    half = 2.3646242510102993 * np.std([5, 5, 0, 0, 2, 2, 3, 3], ddof=1) / np.sqrt(8)
    assert estimate.avg_len_ci95 == pytest.approx((2.5 - half, 2.5 + half))
    assert running_estimate([4]).avg_len_ci95 == (0.0, 5.0)
    with pytest.raises(InvalidInput):
        running_estimate([])
