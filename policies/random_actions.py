"""Chance: actions that look at nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmark.embodiment import CALVIN, CHUNK_STEPS
from models.randomness import policy_generator
from policies.base import Query, with_binary_gripper


class RandomPolicy:
    """Uniform actions in -1..1: the chance level of a benchmark. Depends on (seed, sequence, query) only."""

    needs_images = False

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        shape = (CHUNK_STEPS, CALVIN.action_size)
        return [
            with_binary_gripper(policy_generator(self._seed, q.sequence, q.number).uniform(-1, 1, shape))
            for q in queries
        ]
