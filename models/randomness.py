"""Randomness as a function of (run seed, step): there is no generator state to lose.

Every stream is a SeedSequence over (seed, stream, counter), so streams never overlap and any step can be
done again without the steps before it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

#: 3 is the stream of `policies.random_actions`.
_ORDER, _DRAWS, _WEIGHTS = range(3)


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    order = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _ORDER, epoch))))
    return order.permutation(count)


def batch_rows(seed: int, step: int, count: int, batch_size: int) -> np.ndarray:
    """Rows (batch_size,) of the batch at `step`: each epoch is a permutation of all `count` rows."""
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    return np.array([_epoch_order(seed, int(place) // count, count)[place % count] for place in places])


def draw_seed(seed: int, step: int) -> int:
    """Seed of the torch generator for noise and timesteps at `step`."""
    return _torch_seed(seed, _DRAWS, step)


def weight_seed(seed: int) -> int:
    """Seed of the initial weights of a run."""
    return _torch_seed(seed, _WEIGHTS, 0)


def _torch_seed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
