from __future__ import annotations

from collections.abc import Iterator

import pybullet
import pytest

from simulators.playtable.client import Client
from simulators.playtable.visuals import Visuals, read_colours

RED, GREEN = (1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0)


@pytest.fixture
def client() -> Iterator[Client]:
    """Two boxes, red and green."""
    server = Client()
    for colour in (RED, GREEN):
        shape = server.createVisualShape(pybullet.GEOM_BOX, halfExtents=[0.1] * 3, rgbaColor=colour)
        server.createMultiBody(baseVisualShapeIndex=shape)
    yield server
    server.close()


def shown(client: Client) -> list[tuple[float, ...]]:
    return [tuple(client.getVisualShapeData(uid)[0][7]) for uid in range(2)]


def test_hidden_parts_come_back_in_their_colours(client: Client) -> None:
    visuals = Visuals(client)
    visuals.begin(read_colours(client))
    assert visuals.parts == {(0, -1), (1, -1)}
    visuals.hide({(0, -1)})
    assert [colour[3] for colour in shown(client)] == [0.0, 1.0]
    visuals.hide({(1, -1)})
    assert shown(client)[0] == RED
    visuals.hide(frozenset())
    assert shown(client) == [RED, GREEN]


def test_painting_a_hidden_part_shows_when_it_comes_back(client: Client) -> None:
    visuals = Visuals(client)
    visuals.begin(read_colours(client))
    visuals.hide({(0, -1)})
    visuals.paint((0, -1), GREEN)
    assert shown(client)[0][3] == 0.0
    visuals.hide(frozenset())
    assert shown(client) == [GREEN, GREEN]
