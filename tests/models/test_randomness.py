from __future__ import annotations

import numpy as np

from models.randomness import batch_rows, draw_seed, weight_seed


def test_every_epoch_is_a_permutation_and_needs_no_steps_before_it():
    rows = np.concatenate([batch_rows(3, step, count=10, batch_size=4) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    np.testing.assert_array_equal(batch_rows(3, 4, 10, 4), rows[16:])


def test_a_batch_may_be_larger_than_the_data():
    assert sorted(batch_rows(0, 0, count=3, batch_size=6)) == [0, 0, 1, 1, 2, 2]


def test_streams_differ_by_seed_step_and_purpose():
    seeds = {draw_seed(seed, step) for seed in range(4) for step in range(50)}
    assert len(seeds) == 200
    assert weight_seed(0) not in seeds and weight_seed(0) != weight_seed(1)
