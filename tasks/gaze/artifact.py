"""The header of a `gaze` artifact: what was found in each frame. Beside it lies one `crop_<frame>` tensor a region."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, final

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # of typing, pydantic takes one from Python 3.12 on

from errors import InvalidInput
from settings.typed_json import from_json

_FourEdges = Field(min_length=4, max_length=4)

#: The entry of a safetensors file's metadata that the header is, as JSON.
_ENTRY = "gaze"


@final
class RegionRow(TypedDict):
    """box: x0, y0, x1, y1 in whole pixels, x1 and y1 exclusive. source: how it was found. true_box: where the simulator
    says that the target is, None where it is hidden; not there where nobody knows."""

    box: Annotated[list[int], _FourEdges]
    score: float
    source: str
    trusted: bool
    uncertainty_pixels: float
    true_box: NotRequired[Annotated[list[float], _FourEdges] | None]


@final
class NoRegionRow(TypedDict):
    """Why a frame has none."""

    reason: str
    detail: str
    true_box: NotRequired[Annotated[list[float], _FourEdges] | None]


GazeRow = RegionRow | NoRegionRow


class GazeHeader(TypedDict):
    """detector: name and version. precision: of its products, None where it has no weights. rows: one a frame."""

    detector: str
    precision: str | None
    task: str
    rows: list[GazeRow]


def metadata_of(header: GazeHeader) -> dict[str, str]:
    return {_ENTRY: json.dumps(header)}


def header_of(metadata: Mapping[str, str] | None, source: str) -> GazeHeader:
    """Inverse of `metadata_of`. Raises InvalidInput naming `source`, which may be somebody else's, and the entry."""
    try:
        header = json.loads((metadata or {})[_ENTRY])
    except (KeyError, ValueError):
        raise InvalidInput(f"{source} holds no gaze regions") from None
    return from_json(GazeHeader, header, source)
