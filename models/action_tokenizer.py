"""Numbers as tokens: 256 bins over the last ids of the tokenizer's vocabulary (OpenVLA, arXiv 2406.09246).

A value's id is `vocab_size - digitize(value)`, so greater values have smaller ids. 256 edges make 255
intervals: the greatest value (digitize 256) shares its centre with interval 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from errors import InvalidInput
from models.part_configs import ACTION_BINS

FloatArray = NDArray[np.float64]
IdArray = NDArray[np.int64]


class ActionTokenizer:
    """Values in [-1, 1] to token ids and back; knows nothing of text.

    `vocab_size` is the tokenizer's own (Qwen2: 151643), not the number of embedding rows. `edges` of the bins are
    evenly spaced from -1 to 1, as the official tokenizer's are by default.
    """

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.edges: FloatArray = np.linspace(-1.0, 1.0, ACTION_BINS)
        if vocab_size <= ACTION_BINS:
            raise InvalidInput(f"vocabulary of {vocab_size} ids cannot hold {ACTION_BINS} action tokens")
        self.centres: FloatArray = (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def first_id(self) -> int:
        """Smallest action id; it stands for the greatest value."""
        return self.vocab_size - ACTION_BINS

    def encode(self, values: ArrayLike) -> IdArray:
        """Ids of `values`, same shape; values beyond [-1, 1] are clipped.

        Raises InvalidInput on NaN or infinity.
        """
        array = np.asarray(values, dtype=np.float64)
        if not np.all(np.isfinite(array)):
            raise InvalidInput(f"action values must be finite, got {array[~np.isfinite(array)][0]}")
        clipped = np.minimum(np.maximum(array, -1.0), 1.0)
        return self.vocab_size - np.searchsorted(self.edges, clipped, side="right").astype(np.int64)

    def decode(self, ids: ArrayLike) -> FloatArray:
        """Bin centres of `ids`, same shape. Ids outside the action range decode to the nearest end."""
        interval = self.vocab_size - np.asarray(ids, dtype=np.int64) - 1
        return self.centres[np.clip(interval, 0, len(self.centres) - 1)]

    def contains(self, ids: ArrayLike) -> NDArray[np.bool_]:
        """Which of `ids` are action tokens."""
        array = np.asarray(ids, dtype=np.int64)
        return (array >= self.first_id) & (array < self.vocab_size)

    def centre_of_each_id(self) -> FloatArray:
        """Value of every action id in increasing order of id, shape (256,)."""
        return self.decode(np.arange(self.first_id, self.vocab_size))


@dataclass(frozen=True)
class StateStatistics:
    """Mean and standard deviation of CALVIN's 15 `robot_obs` numbers (m, rad, m, rad, +-1)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise InvalidInput(f"state statistics: {len(self.mean)} means but {len(self.std)} deviations")
        if not np.all(np.isfinite([*self.mean, *self.std])) or min(self.std) < 0:
            raise InvalidInput("state statistics: means must be finite, deviations finite and not negative")

    def normalise(self, state: ArrayLike) -> FloatArray:
        """`(x - mean) / (std + 1e-5) / 3`: three deviations span [-1, 1] (official `encode_robot_obs`).

        Raises InvalidInput for another length, NaN or infinity.
        """
        array = np.asarray(state, dtype=np.float64)
        if array.shape != (len(self.mean),):
            raise InvalidInput(f"robot state must have {len(self.mean)} numbers, got shape {array.shape}")
        if not np.all(np.isfinite(array)):
            raise InvalidInput(
                f"robot state holds {array[~np.isfinite(array)][0]}; all numbers must be finite"
            )
        return (array - np.asarray(self.mean)) / (np.asarray(self.std) + 1e-5) / 3.0


#: `robot_obs` of the official `reconvla/statistics.yaml`; which dataset it describes is not documented.
OFFICIAL_STATE_STATISTICS = StateStatistics(
    mean=(0.039233, -0.118554, 0.507826, 1.079174, -0.083069, 1.579753, 0.054622, -0.736859,
          1.017769, 1.792879, -2.099604, -0.993738, 1.790842, 0.586534, 0.095367),
    std=(0.150769, 0.1104, 0.06253, 2.883517, 0.126405, 0.377196, 0.030152, 0.334392,
         0.172714, 0.240513, 0.3842, 0.198596, 0.158712, 0.346865, 0.995442),
)  # fmt: skip
