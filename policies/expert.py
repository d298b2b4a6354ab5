"""The scripted expert as a policy. Apart from the others: it imports the physics engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.embodiment import CALVIN
from policies.base import Query
from simulators.expert import Expert


class ExpertPolicy:
    """The scripted expert, one action at a time: what a simulator and its oracle allow at best."""

    needs_images = False

    def __init__(self) -> None:
        self._experts: dict[int, Expert] = {}
        self._gripper: dict[int, float] = {}
        self.counts: Counter[str] = Counter()

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [self._act(query)[None] for query in queries]

    def _act(self, query: Query) -> np.ndarray:
        if query.begins:
            simulator: Any = query.simulator
            self._experts[query.sequence] = Expert(simulator, query.task)
            self._gripper[query.sequence] = float(query.observation["robot_obs"][-1])
        action = self._experts[query.sequence].act()
        if action is None:  # through with its plan: stay, hold what is held
            action = np.zeros(CALVIN.action_size)
            action[-1] = self._gripper[query.sequence]
        self._gripper[query.sequence] = float(action[-1])
        return action
