"""Headers of gaze artifacts, which may come in somebody else's bundle."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from errors import InvalidInput
from tasks.gaze.artifact import GazeHeader, header_of, metadata_of

HEADER: GazeHeader = {
    "detector": "colour 4",
    "precision": None,
    "task": "open_drawer",
    "rows": [
        {
            "box": [1, 2, 3, 4],
            "score": 0.5,
            "source": "first_pass",
            "trusted": True,
            "uncertainty_pixels": 0.0,
        },
        {"reason": "not_found", "detail": "", "true_box": None},
    ],
}


def test_what_was_written_is_read() -> None:
    assert header_of(metadata_of(HEADER), "gaze.safetensors") == HEADER


@pytest.mark.parametrize(
    ("row", "entries", "said"),
    [
        (0, {"box": None}, "box: Input should be a valid list"),
        (0, {"box": [1, 2, 3]}, "at least 4 items"),
        (0, {"box": [1, 2, 3, "x"]}, "box.3"),
        (0, {"true_box": [1.0]}, "at least 4 items"),
        (1, {"reason": 3}, "Field required"),  # neither a region nor a reason
    ],
)
def test_entries_that_are_none_are_told(row: int, entries: dict[str, Any], said: str) -> None:
    header: Any = copy.deepcopy(HEADER)
    header["rows"][row] |= entries
    with pytest.raises(InvalidInput, match=rf"^gaze\.safetensors: rows\.{row}\..*{said}"):
        header_of(metadata_of(header), "gaze.safetensors")


@pytest.mark.parametrize("metadata", [None, {}, {"gaze": "{"}])
def test_files_without_regions_are_told(metadata: dict[str, str] | None) -> None:
    with pytest.raises(InvalidInput, match=r"^gaze\.safetensors holds no gaze regions$"):
        header_of(metadata, "gaze.safetensors")
