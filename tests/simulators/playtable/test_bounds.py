from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pybullet
import pytest

from errors import InvalidInput
from simulators.playtable.bounds import Bounds, corners_of
from simulators.playtable.client import Client

VIEW = pybullet.computeViewMatrix([0, 0, 1], [0, 0, 0], [0, 1, 0])
PROJECTION = pybullet.computeProjectionMatrixFOV(fov=90, aspect=1, nearVal=0.1, farVal=5)


@pytest.fixture
def client() -> Iterator[Client]:
    server = Client()
    yield server
    server.close()


def add(client: Client, position: tuple[float, float, float], **shape: object) -> int:
    visual = client.createVisualShape(**shape)
    uid: int = client.createMultiBody(baseVisualShapeIndex=visual, basePosition=position)
    return uid


@pytest.mark.parametrize(
    ("position", "is_unseen"),
    [
        ((0.0, 0.0, 0.0), False),
        ((1.05, 0.0, 0.0), False),  # the frustum ends at x = 1, the box reaches to 0.95
        ((1.3, 0.0, 0.0), True),
        ((0.0, -1.3, 0.0), True),
        ((0.0, 0.0, 1.5), True),  # behind the camera
        ((0.0, 0.0, -5.0), True),  # beyond the far plane
    ],
)
def test_box_against_the_frustum(
    client: Client, position: tuple[float, float, float], is_unseen: bool
) -> None:
    uid = add(client, position, shapeType=pybullet.GEOM_BOX, halfExtents=[0.1] * 3)
    bounds = Bounds(corners_of(client), [(uid, -1)])
    assert bounds.unseen(client, VIEW, PROJECTION) == ({(uid, -1)} if is_unseen else set())


def test_bounds_follow_the_body(client: Client) -> None:
    uid = add(client, (0, 0, 0), shapeType=pybullet.GEOM_BOX, halfExtents=[0.5, 0.01, 0.01])
    bounds = Bounds(corners_of(client), [(uid, -1)])
    client.resetBasePositionAndOrientation(uid, [1.3, 0, 0], [0, 0, 0, 1])
    assert bounds.unseen(client, VIEW, PROJECTION) == set()
    quarter = pybullet.getQuaternionFromEuler([0, 0, 1.5708])
    client.resetBasePositionAndOrientation(uid, [1.3, 0, 0], quarter)
    assert bounds.unseen(client, VIEW, PROJECTION) == {(uid, -1)}


def test_mesh_is_bounded_by_its_vertices(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "m.obj"
    file.write_text("v 0 0 0\nv 2 0 0\nv 0 0.1 0\nf 1 2 3\n")
    uid = add(client, (-1.3, 0, 0), shapeType=pybullet.GEOM_MESH, fileName=str(file))
    short = add(client, (-1.3, 0, 0), shapeType=pybullet.GEOM_MESH, fileName=str(file), meshScale=[0.1] * 3)
    bounds = Bounds(corners_of(client), [(uid, -1), (short, -1)])
    assert bounds.unseen(client, VIEW, PROJECTION) == {(short, -1)}


def test_other_shapes_are_refused(client: Client) -> None:
    uid = add(client, (0, 0, 0), shapeType=pybullet.GEOM_SPHERE, radius=0.1)
    with pytest.raises(InvalidInput, match="neither a mesh nor a box"):
        Bounds(corners_of(client), [(uid, -1)])
