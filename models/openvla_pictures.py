"""Pictures as OpenVLA's two towers want them: resized once, normalised twice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import CheckpointError
from models.openvla_entries import check_openvla_pictures
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import read_text
from settings.shown import shown

#: Of torchvision, as that file writes it: PIL's.
_BICUBIC = int(Image.Resampling.BICUBIC)
_FILE = "preprocessor_config.json"
_COMPUTED = "tvf_normalize_params"
#: Area of the random crops that OpenVLA is fine-tuned with, and of the crop that it is evaluated with.
_MIDDLE = 0.9


@dataclass(frozen=True)
class Normalisation:
    """Means and deviations (2, 3) of values 0 to 1: DINOv2's, then SigLIP's."""

    means: NDArray[np.float32]
    deviations: NDArray[np.float32]

    def views(self, picture: NDArray[np.uint8], size: int, crop: bool = False) -> list[NDArray[np.float32]]:
        """Two (3, size, size) of an RGB picture (H, W, 3), stretched to the square (bicubic).

        crop: of its middle alone (`middle`), as pictures of a model trained with random crops are seen.
        """
        if crop:
            picture = middle(picture, size)
        resized = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
        values = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) / 255
        return [
            (values - mean[:, None, None]) / deviation[:, None, None]
            for mean, deviation in zip(self.means, self.deviations)
        ]


def middle(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle nine tenths of an RGB picture (H, W, 3), stretched to (size, size, 3).

    What the released evaluation does before its processor where random crops were trained with (openvla_utils.py,
    center_crop): TensorFlow's crop_and_resize, bilinear between the four nearest pixels, without antialiasing.
    """
    begin = (1 - math.sqrt(_MIDDLE)) / 2
    shares = np.linspace(begin, 1 - begin, size)
    values = picture.astype(np.float64)
    for axis in (0, 1):
        places = shares * (picture.shape[axis] - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, picture.shape[axis] - 1)
        weights = np.expand_dims(places - low, (1, 2) if axis == 0 else (0, 2))
        values = values.take(low, axis) * (1 - weights) + values.take(high, axis) * weights
    return np.minimum(values / 255 * 255.5, 255).astype(np.uint8)  # as TensorFlow makes bytes of shares


def read_normalisation(folder: Path, size: int) -> Normalisation:
    """From the folder's `preprocessor_config.json`, for pictures of `size` px.

    What `tvf_normalize_params` says counts, which the released code computes with; the released model's is rounded to
    bf16 there. Files without it are normalised by `means` and `stds`. Raises CheckpointError where it is missing or
    unusable, or asks for another preparation than the released one.
    """
    file = folder / _FILE
    try:
        values = parse_json(read_text(file))
        check_openvla_pictures(file, values)
        _check_preparation(file, values, size)
        told = values.get(_COMPUTED)
        if told is None:
            entries, (means, deviations) = (
                "means and stds",
                (_numbers(values[key]) for key in ("means", "stds")),
            )
        else:
            entries = _COMPUTED
            means, deviations = (_numbers([one[key] for one in told]) for key in ("mean", "std"))
    except OSError as error:
        need_fact(error)
        raise CheckpointError(f"{file} cannot be read: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file} does not tell how pictures are normalised: {shown(error, 300)}"
        ) from None
    sound = np.isfinite(means).all() and np.isfinite(deviations).all() and (deviations > 0).all()
    if means.shape != (2, 3) or deviations.shape != (2, 3) or not sound:
        raise CheckpointError(
            f"{file}: {entries} must be three finite numbers for each of two towers, deviations above 0"
        )
    return Normalisation(means, deviations)


def _numbers(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def _check_preparation(file: Path, values: Mapping[str, Any], size: int) -> None:
    """Entries that may be left out, and what the released code makes of them (processing_prismatic.py).

    Those that begin with tvf are made of the others when it starts, and then replaced by what the file says: they
    are what is computed with.
    """
    granted = {
        "use_fused_vision_backbone": True,
        "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, size, size]] * 2,
        "interpolations": ["bicubic"] * 2,
        "tvf_do_letterbox": False,
        "tvf_crop_params": [{"output_size": [size, size]}] * 2,
        "tvf_resize_params": [
            {"antialias": True, "interpolation": _BICUBIC, "max_size": None, "size": [size, size]}
        ] * 2,
    }  # fmt: skip
    for entry, value in granted.items():
        if values.get(entry, value) != value:
            raise CheckpointError(
                f"{file}: {entry} is {shown(values[entry])}, where only {shown(value)} is known"
            )
