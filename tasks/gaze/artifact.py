"""The header of a `gaze` artifact: what was found in each frame. Beside it lies one `crop_<frame>` tensor a region."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, final

if TYPE_CHECKING:
    from typing_extensions import NotRequired

#: The entry of a safetensors file's metadata that the header is, as JSON.
_ENTRY = "gaze"


@final
class RegionRow(TypedDict):
    """box: x0, y0, x1, y1 in whole pixels, x1 and y1 exclusive. source: how it was found. true_box: where the simulator
    says that the target is, None where it is hidden; not there where nobody knows."""

    box: list[int]
    score: float
    source: str
    trusted: bool
    uncertainty_pixels: float
    true_box: NotRequired[list[float] | None]


@final
class NoRegionRow(TypedDict):
    """Why a frame has none."""

    reason: str
    detail: str
    true_box: NotRequired[list[float] | None]


GazeRow = RegionRow | NoRegionRow


class GazeHeader(TypedDict):
    """detector: name and version. precision: of its products, None where it has no weights. rows: one a frame."""

    detector: str
    precision: str | None
    task: str
    rows: list[GazeRow]


def metadata_of(header: GazeHeader) -> dict[str, str]:
    return {_ENTRY: json.dumps(header)}


def header_of(metadata: Mapping[str, str]) -> GazeHeader:
    """Inverse of `metadata_of`."""
    header: GazeHeader = json.loads(metadata[_ENTRY])
    return header
