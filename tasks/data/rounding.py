"""How many tokens change when numbers are rounded to float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calvin.episode import Episode
from models.action_tokenizer import OFFICIAL_STATE_STATISTICS, ActionTokenizer

#: Of Qwen2's tokenizer; which ids stand for the bins plays no part.
_VOCABULARY = 151_643


class RoundedTokens:
    """Counts over episodes, one state and one action a frame: what changes, of how many."""

    def __init__(self) -> None:
        self._coding = ActionTokenizer(_VOCABULARY)
        self.states = self.changed_states = self.actions = self.changed_actions = 0

    def add(self, episode: Episode) -> None:
        statistics = OFFICIAL_STATE_STATISTICS
        states = [[statistics.normalise(state) for state in of] for of in _both(episode.robot_obs)]
        self.states += episode.robot_obs.size
        self.changed_states += self._changed(*map(np.asarray, states))
        self.actions += episode.rel_actions.size
        self.changed_actions += self._changed(*_both(episode.rel_actions))

    def _changed(self, exact: NDArray[np.float64], rounded: NDArray[np.float64]) -> int:
        return int((self._coding.encode(exact) != self._coding.encode(rounded)).sum())


def _both(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return values, values.astype(np.float32).astype(np.float64)
