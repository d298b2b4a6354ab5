from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from errors import InvalidInput
from simulators.playtable import meshes


def stl(corners: list[list[float]]) -> bytes:
    """One facet."""
    facet = np.array([[0, 0, 1], *corners], "<f4").tobytes() + b"\0\0"
    return b"\0" * 80 + (1).to_bytes(4, "little") + facet


def test_obj_vertices_and_extent(tmp_path: Path) -> None:
    file = tmp_path / "m.obj"
    file.write_text("# c\nv 0 1 2\nv -1 5 0.5\nvn 0 0 1\nv 3 3 3\nf 1//1 2//1 3//1\n")
    assert meshes.vertices(file).tolist() == [[0, 1, 2], [-1, 5, 0.5], [3, 3, 3]]
    low, high = meshes.extent(file)
    assert (low.tolist(), high.tolist()) == ([-1, 1, 0.5], [3, 5, 3])


def test_stl_vertices(tmp_path: Path) -> None:
    file = tmp_path / "m.STL"
    file.write_bytes(stl([[0, 0, 0], [1, 0, 0], [0, 2, 0]]))
    assert meshes.vertices(file).tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.obj", b""),
        ("m.obj", b"v 0 0 0\nv 1 0 0\nf 1 2 3\n"),
        ("m.obj", b"v 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("m.obj", b"v 0 0 zero\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("m.obj", b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("m.obj", b"v 0 0 0\nf one two three\n"),
        ("m.stl", stl([[0, 0, 0], [1, 0, 0], [0, 2, 0]])[:-1]),
        ("m.stl", b"solid"),
        ("m.stl", stl([[0, 0, 0], [1, 0, 0], [0, np.inf, 0]])),
    ],
)
def test_damaged_mesh_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=name):
        meshes.vertices(tmp_path / name)
