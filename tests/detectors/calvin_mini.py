"""Real CALVIN frames with true boxes, where this machine has them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

CALVIN_MINI = Path(os.environ.get("BATON_CALVIN_MINI", Path(__file__).parents[2] / "../shared/calvin_mini"))
needs_calvin_mini = pytest.mark.skipif(
    not (CALVIN_MINI / "validation" / "boxes.json").is_file(),
    reason="no CALVIN frames with true boxes (BATON_CALVIN_MINI)",
)


def frames_of(split: str, demonstration: dict[str, Any]) -> tuple[NDArray[np.uint8], NDArray[Any], list[Any]]:
    """Static images, gripper positions and true boxes {name: box or None} of one demonstration."""
    folder = CALVIN_MINI / split
    boxes = json.loads((folder / "boxes.json").read_text())
    ids = [f"{frame:07d}" for frame in range(demonstration["start"], demonstration["end"] + 1)]
    episodes = [np.load(folder / f"episode_{frame}.npz") for frame in ids]
    images = np.stack([episode["rgb_static"] for episode in episodes])
    gripper = np.stack([episode["robot_obs"][:3] for episode in episodes])
    truth = [
        {name: entry["box"] and tuple(entry["box"]) for name, entry in boxes[frame].items()} for frame in ids
    ]
    return images, gripper, truth


def demonstrations(split: str) -> list[dict[str, Any]]:
    """Entries of demos.json: task, ann, start, end (inclusive)."""
    return json.loads((CALVIN_MINI / split / "demos.json").read_text())
