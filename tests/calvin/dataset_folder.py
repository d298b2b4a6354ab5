"""A split of two episodes on the disk, and changes to its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import CalvinSplit, open_dataset
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A split of two episodes of four frames: 100-103 and 104-107."""
    return write_split(
        tmp_path, "training", [make_episode(100, 4), make_episode(104, 4, 1, task="close_drawer")]
    )


def open_folder(folder: Path) -> CalvinSplit:
    return open_dataset(folder.parent, "training")


def change_frame(folder: Path, frame: int, without: str = "", **changes: np.ndarray) -> None:
    path = folder / f"episode_{frame:07d}.npz"
    with np.load(path) as archive:
        arrays: dict[str, Any] = {name: archive[name] for name in archive.files if name != without}
    np.savez_compressed(path, **(arrays | changes))


def change_annotations(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(path, allow_pickle=True).item()
    change(content)
    np.save(path, content, allow_pickle=True)
