"""Held-out figures paired by seed: what cannot be told has a reason that is of pairs."""

from __future__ import annotations

from math import nan

from reports.data import RunReport
from reports.losses import compare_losses


def runs(arm: str, *losses: float) -> list[RunReport]:
    return [RunReport(arm, seed, 1, held_out_loss=loss) for seed, loss in enumerate(losses)]


def test_reasons_are_of_pairs() -> None:
    one = compare_losses("a", "b", runs("a", 1.0, 2.0), runs("b", 0.5)).held_out_loss
    alike = compare_losses("a", "b", runs("a", 1.0, 2.0), runs("b", 0.5, 1.5)).held_out_loss
    assert one is not None and (one.delta, one.interval, one.reason) == (-0.5, None, "one seed in common")
    assert alike is not None and (alike.delta, alike.interval, alike.reason) == (
        -0.5,
        None,
        "all pairs are alike",
    )


def test_a_loss_that_is_no_number_is_in_no_pair() -> None:
    found = compare_losses("a", "b", runs("a", 1.0, nan, 3.0), runs("b", 0.5, 1.0, 2.0)).held_out_loss
    assert found is not None and (found.seeds, found.delta) == ((2, 2), -0.75)
    assert compare_losses("a", "b", runs("a", nan), runs("b", 1.0)).held_out_loss is None
