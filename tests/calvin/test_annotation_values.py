"""Values in annotations that are no numbers, texts or rows cost what they are, and a short sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.annotations import read_annotations, read_embeddings
from errors import DatasetError


def write(path: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "language": {"ann": ["pull it"], "task": ["open_drawer"], "emb": np.zeros((1, 1, 4), "f4")},
        "info": {"indx": [(1, 2)]},
    }
    for field, value in changes.items():
        part = "info" if field == "indx" else "language"
        content[part][field] = value
    np.save(path / "a.npy", content, allow_pickle=True)
    return path / "a.npy"


def shared(levels: int) -> list[Any]:
    """2**levels lists for whoever goes through all of it."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("indx", [shared(12)], "not a first and a last frame"),
        ("indx", [[1, [2, 3]]], "not a first and a last frame"),
        ("indx", [["x" * 9_000, 1]], "not a first and a last frame"),
        ("indx", [np.zeros((1000, 1000))], "is an array of float64 of shape"),
        ("indx", [(2**64 - 1, 2**64)], "not a first and a last frame"),
        ("ann", [["x" * 9_000] * 9], "not an instruction"),
        ("ann", [np.array(["x" * 9_000])], "not an instruction"),
        ("task", ["x" * 9_000], "none of CALVIN's 34 tasks"),
        ("task", [shared(12)], "none of CALVIN's 34 tasks"),
    ],
)
def test_a_message_shows_little_of_a_long_value(tmp_path: Path, field: str, value: Any, why: str) -> None:
    (found,) = read_annotations(write(tmp_path, **{field: value}))
    assert isinstance(found, DatasetError)
    assert why in str(found)
    assert len(str(found)) < len(str(tmp_path)) + 600


def test_frames_as_arrays_of_one_number(tmp_path: Path) -> None:
    (found,) = read_annotations(write(tmp_path, indx=[(np.array(3), np.array(5))]))
    assert not isinstance(found, DatasetError)
    assert (found.start, found.end) == (3, 5)


@pytest.mark.parametrize("field", ["ann", "task", "indx"])
def test_an_array_without_dimensions_is_no_list(tmp_path: Path, field: str) -> None:
    with pytest.raises(DatasetError, match=rf"\.{field} is a ndarray, not a list"):
        read_annotations(write(tmp_path, **{field: np.array(1)}))


@pytest.mark.parametrize("rows", [[["x"]], [[1.0], [2.0, 3.0]], [np.zeros(2), np.zeros(3)], [None, {}]])
def test_embeddings_that_are_no_rows_of_numbers(tmp_path: Path, rows: Any) -> None:
    path = write(tmp_path, emb=rows, ann=["a"] * len(rows))
    with pytest.raises(DatasetError, match=r"language\.emb is not made of rows of numbers"):
        read_embeddings(path)


@pytest.mark.parametrize("rows", [[np.full(3, 0.5, "f4")], [[0.5, 0.5, 0.5]], np.full((1, 3), 0.5, "f4")])
def test_embeddings_as_rows(tmp_path: Path, rows: Any) -> None:
    embeddings = read_embeddings(write(tmp_path, emb=rows))
    assert embeddings is not None
    assert embeddings.tolist() == [[0.5] * 3]
