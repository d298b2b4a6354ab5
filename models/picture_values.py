"""How a folder says that pictures are resized and normalised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from models.json_files import read_json
from models.known_entries import PICTURES, check_granted, check_known
from models.part_configs import RESAMPLINGS
from settings.regular import is_there
from settings.shown import shown

#: Of a tower's folder: how pictures are prepared.
PICTURE_FILES = ("preprocessor_config.json", "processor_config.json")
_PREPARING = ("SiglipImageProcessor", "SiglipImageProcessorFast", "SiglipImageProcessorPil")


def picture_values(folder: Path, image_size: int | None) -> dict[str, Any]:
    """Fields of `VisionConfig` that the folder of a SigLIP decides by how it has pictures prepared: its
    `preprocessor_config.json`, or what `processor_config.json` says of pictures. None of the two: nothing.

    image_size: of the tower in px, None where it is not known. Errors as `folder_values.language_values` has them.
    """
    alone, among_others = (folder / name for name in PICTURE_FILES)
    file, values = alone, None
    if is_there(alone):
        values = read_json(file)
    elif is_there(among_others):
        file = among_others
        values = read_json(file).get("image_processor")
    if not isinstance(values, Mapping):
        return {}
    place = str(file)
    check_known(place, values, PICTURES)
    kind = values.get("image_processor_type", values.get("feature_extractor_type"))
    if kind not in (None, *_PREPARING):
        raise CheckpointError(
            f"{place}: image_processor_type is {shown(kind)}, where a {_PREPARING[0]} is needed"
        )
    check_granted(place, values, {"do_resize": True})
    size = values.get("size")
    sides = [size.get("height"), size.get("width")] if isinstance(size, Mapping) else [size, size]
    if size is not None and image_size is not None and sides != [image_size, image_size]:
        raise CheckpointError(
            f"{place}: size is {shown(size)}, where the tower's pictures are {image_size} px square"
        )
    number = values.get("resample", RESAMPLINGS.index("bicubic"))
    if type(number) is not int or not 0 <= number < len(RESAMPLINGS):
        raise CheckpointError(
            f"{place}: resample is {shown(number)}, where one of 0 to {len(RESAMPLINGS) - 1} is needed"
        )
    return normalisation_values(place, values) | {"resample": RESAMPLINGS[number]}


def normalisation_values(place: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`image_mean` and `image_std` of `VisionConfig`, rescaling included: the mean is of values 0 to 1 there."""
    mean, std = values.get("image_mean"), values.get("image_std")
    told = []
    for name, given in (("image_mean", mean), ("image_std", std)):
        numbers = [0.5] * 3 if given is None else given if isinstance(given, list) else [given] * 3
        if len(numbers) != 3 or not all(type(number) in (int, float) for number in numbers):
            raise CheckpointError(f"{place}: {name} must be three numbers, got {shown(given)}")
        told.append([float(number) for number in numbers])
    if values.get("do_normalize", True) is False:
        told = [[0.0] * 3, [1.0] * 3]
    factor = values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1.0
    if type(factor) not in (int, float) or factor <= 0:
        raise CheckpointError(f"{place}: rescale_factor must be a positive number, got {shown(factor)}")
    share = factor * 255
    if abs(share - 1) > 1e-9:
        told = [[number / share for number in numbers] for numbers in told]
    return dict(zip(("image_mean", "image_std"), told))
