"""Chance: actions that look at nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmark.embodiment import CALVIN, CHUNK_STEPS
from policies.base import Query, with_binary_gripper

#: Of a seed; `models.randomness` has 0 to 2, so that chance draws nothing that a run draws.
_STREAM = 3


class RandomPolicy:
    """Uniform actions in -1..1: the chance level of a benchmark. Depends on (seed, sequence, query) only."""

    needs_images = False

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        shape = (CHUNK_STEPS, CALVIN.action_size)
        return [
            with_binary_gripper(_generator(self._seed, q.sequence, q.number).uniform(-1, 1, shape))
            for q in queries
        ]


def _generator(seed: int, sequence: int, query: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _STREAM, sequence, query))))
