"""Pictures as OpenVLA's two towers want them: resized once, normalised twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import CheckpointError
from settings.documents import parse_json

_FILE = "preprocessor_config.json"


@dataclass(frozen=True)
class Normalisation:
    """Means and deviations (2, 3) of values 0 to 1: DINOv2's, then SigLIP's."""

    means: NDArray[np.float32]
    deviations: NDArray[np.float32]

    def views(self, picture: NDArray[np.uint8], size: int) -> list[NDArray[np.float32]]:
        """Two (3, size, size) of an RGB picture (H, W, 3), stretched to the square (bicubic)."""
        resized = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
        values = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) / 255
        return [
            (values - mean[:, None, None]) / deviation[:, None, None]
            for mean, deviation in zip(self.means, self.deviations)
        ]


def read_normalisation(folder: Path) -> Normalisation:
    """From the folder's `preprocessor_config.json`. Raises CheckpointError where it is missing or unusable."""
    file = folder / _FILE
    try:
        values = parse_json(file.read_text(encoding="utf-8"))
        means, deviations = (np.array(values[key], dtype=np.float32) for key in ("means", "stds"))
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file} does not tell how pictures are normalised: {error!r}") from None
    if means.shape != (2, 3) or deviations.shape != (2, 3) or not (deviations > 0).all():
        raise CheckpointError(
            f"{file}: means and stds must be three numbers for each of two towers, stds above 0"
        )
    return Normalisation(means, deviations)
