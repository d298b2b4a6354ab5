from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pybullet
import pytest

from benchmark.cameras import Lens
from simulators.playtable.client import Client
from simulators.playtable.pictures import Picture, in_front, layer_of, projection, render
from simulators.playtable.renderers import TINY


def plain(depth: list[float], grey: int, segment: int = 1) -> Picture:
    n = len(depth)
    return Picture(
        np.full((1, n, 3), grey, np.uint8), np.full((1, n), segment, np.int32), np.array([depth], np.float32)
    )


def test_the_nearer_pixel_wins() -> None:
    both = in_front(layer_of(plain([0.2, 0.6, 0.4], 10, 1)), plain([0.5, 0.5, 0.5], 20, 2))
    assert both is not None
    assert both.rgb[0, :, 0].tolist() == [10, 20, 10]
    assert both.segments[0].tolist() == [1, 2, 1]
    np.testing.assert_allclose(both.depth[0], [0.2, 0.5, 0.4])


def test_empty_pixels_show_what_is_behind() -> None:
    both = in_front(layer_of(plain([0.2, 0.2], 10, -1)), plain([1.0, 0.5], 20, 2))
    assert both is not None
    assert both.rgb[0, :, 0].tolist() == [20, 20]


def test_equal_depth_is_undecided_unless_it_makes_no_difference() -> None:
    assert in_front(layer_of(plain([0.5], 10)), plain([0.5], 20)) is None
    assert in_front(layer_of(plain([0.5], 20)), plain([0.5], 20)) is not None


def test_inputs_are_left_alone() -> None:
    back = plain([0.5], 20)
    in_front(layer_of(plain([0.2], 10)), back)
    assert back.rgb[0, 0, 0] == 20


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.mark.parametrize("flat", [False, True], ids=["arrays", "numbers in a row"])
def test_a_picture_is_the_same_from_a_pybullet_with_numpy_and_without(
    client: Client, monkeypatch: pytest.MonkeyPatch, flat: bool
) -> None:
    shape = client.createVisualShape(
        pybullet.GEOM_BOX, halfExtents=[0.2, 0.3, 0.4], rgbaColor=[0.9, 0.1, 0.3, 1]
    )
    body = client.createMultiBody(baseVisualShapeIndex=shape, basePosition=[0.1, 0, 0])
    lens = projection(Lens(pixels=50, fov_degrees=60, near=0.1, far=5))
    view = pybullet.computeViewMatrix([1, 1, 1], [0, 0, 0], [0, 0, 1])
    taken = client.getCameraImage

    def otherwise(*words: Any, **named: Any) -> tuple[Any, ...]:
        width, height, *pictures = taken(*words, **named)
        arrays = [np.asarray(picture) for picture in pictures]
        if flat:
            return width, height, *(tuple(array.ravel().tolist()) for array in arrays)
        types = (np.uint8, np.float32, np.int32)
        shapes = ((height, width, 4), (height, width), (height, width))
        return width, height, *(a.astype(t).reshape(s) for a, t, s in zip(arrays, types, shapes))

    expected = render(client, 50, view, lens, TINY.flag)
    monkeypatch.setattr(client, "getCameraImage", otherwise)
    picture = render(client, 50, view, lens, TINY.flag)
    assert {body, -1} == set(picture.segments.ravel().tolist()) and len(np.unique(picture.depth)) > 10
    for name, kind in (("rgb", np.uint8), ("depth", np.float32), ("segments", np.int32)):
        found = getattr(picture, name)
        np.testing.assert_array_equal(found, getattr(expected, name))
        assert found.dtype == kind and found.shape[:2] == (50, 50)
