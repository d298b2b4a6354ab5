"""Memory of one rank, from shapes: what the paper's training needs of a card, and where the figures must agree."""

import dataclasses

import pytest

from models.costs import METHODS, training_costs
from models.rank_costs import rank_costs
from models.sizes import SEVEN_B, TOY

FULL = METHODS[0]


def test_7b_on_eight_cards_takes_at_most_24_gib_each() -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    eight = rank_costs(SEVEN_B, FULL, 8)
    assert 14.3 < eight.weights + eight.gradients + eight.optimizer < 15
    assert eight.total < 24 and eight.largest_micro_batch(0.9 * 79) >= 16
    assert rank_costs(SEVEN_B, FULL, 2).total > 48 > rank_costs(SEVEN_B, FULL, 4).total
    assert eight.kept_gathered - eight.total == pytest.approx(13.1, abs=0.2), (
        "the model in 16 bits, but two units"
    )


def test_one_rank_is_one_process() -> None:
    alone, whole = rank_costs(TOY, FULL, 1), training_costs(TOY, FULL)
    assert (alone.total, alone.gathered, alone.reduced) == (whole.total, 0.0, 0.0)


def test_shares_shrink_with_ranks_and_the_rest_stays() -> None:
    two, four = (rank_costs(TOY, FULL, ranks) for ranks in (2, 4))
    assert four.optimizer == two.optimizer / 2 == training_costs(TOY, FULL).optimizer / 4
    assert (four.gathered, four.reduced, four.activations) == (two.gathered, two.reduced, two.activations)
    assert two.total == pytest.approx(
        two.weights + two.gradients + two.optimizer + two.gathered + two.reduced + two.activations
    )


def test_a_checkpoint_copies_weights_and_moments_of_adapters_what_is_trained() -> None:
    """Into the host's memory, which is the device's where the processor trains."""
    gib = 2**30
    assert METHODS[1].adapter_rank and not METHODS[1].full
    whole, adapters = training_costs(TOY, FULL), training_costs(TOY, METHODS[1])
    assert whole.copied == pytest.approx(whole.weights + whole.optimizer)
    assert adapters.copied == pytest.approx(12 * adapters.trained_parameters / gib)
    two = rank_costs(TOY, FULL, 2)
    assert two.copied == pytest.approx(two.weights + two.optimizer) and two.copied < whole.copied


def test_the_largest_micro_batch_fits_and_one_more_does_not() -> None:
    costs = rank_costs(TOY, FULL, 2)
    room = costs.total + 6.5 * costs.activations
    assert costs.largest_micro_batch(room) == 7
    assert costs.largest_micro_batch(costs.total / 2) == 0
    whole = dataclasses.replace(training_costs(TOY, FULL))
    assert (
        whole.with_samples(whole.largest_micro_batch(room))
        <= room
        < whole.with_samples(whole.largest_micro_batch(room) + 1)
    )
