"""What recorded actions are to a policy: chunks."""

from __future__ import annotations

import numpy as np


def padded_chunk(rel_actions: np.ndarray, start: int, size: int, repeat_motion: bool = False) -> np.ndarray:
    """The `size` relative actions from `start` on, (size, 7), padded past the end of `rel_actions` (T, 7).

    The padding is CALVIN's own (`_pad_sequence` in calvin_agent/datasets/base_dataset.py): no motion, and the
    last gripper command held. repeat_motion: ReconVLA's instead (calvin_json.py), which repeats the last action.
    """
    chunk = np.array(rel_actions[start : start + size], dtype=np.float64)
    padding = np.repeat(chunk[-1:], size - len(chunk), axis=0)
    if not repeat_motion:
        padding[:, :-1] = 0.0
    return np.concatenate([chunk, padding])
