"""Pictures from arrays against those that PyBullet's TinyRenderer draws of the same world, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pybullet
import pytest
from PIL import Image

from benchmark.cameras import Lens
from simulators.playtable import drawers
from simulators.playtable.client import Client
from simulators.playtable.drawers import BulletDrawer
from simulators.playtable.env import PlayTable
from simulators.playtable.pictures import Picture, picture_of, projection, render
from simulators.playtable.tiny.arithmetic import is_tiny_renderers
from simulators.playtable.tiny.drawing import Drawing
from simulators.playtable.tiny.matrices import model_matrices
from simulators.playtable.tiny.models import models_of, told_of
from simulators.playtable.visuals import Visuals, read_colours

SIDE = 60
LENS = projection(Lens(pixels=SIDE, fov_degrees=75, near=0.05, far=4))


@pytest.fixture(autouse=True)
def on_a_processor_that_computes_so() -> None:
    if not is_tiny_renderers():
        pytest.skip("TinyRenderer was compiled to other operations here")


@pytest.fixture
def client() -> Iterator[Client]:
    server = Client()
    yield server
    server.close()


def ball(folder: Path, rings: int) -> Path:
    """A textured sphere of radius 0.4, of squares and triangles, with normals, some of them missing."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)).save(folder / "ball.png")
    (folder / "ball.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd ball.png\n")
    lines, faces = ["mtllib ball.mtl", "usemtl skin"], []
    for i in range(rings + 1):
        for j in range(2 * rings + 1):
            up, round_ = np.pi * i / rings, np.pi * j / rings
            x, y, z = np.sin(up) * np.cos(round_), np.sin(up) * np.sin(round_), np.cos(up)
            lines.append(f"v {0.4 * x:.6f} {0.4 * y:.6f} {0.4 * z:.6f}")
            lines += [f"vn {x:.4f} {y:.4f} {z:.4f}", f"vt {2.5 * j / rings - 1:.6f} {i / rings:.6f}"]
    for i in range(rings):
        for j in range(2 * rings):
            a, b = i * (2 * rings + 1) + j + 1, (i + 1) * (2 * rings + 1) + j + 1
            corners = [a, b, b + 1, a + 1]
            faces.append("f " + " ".join(f"{k}/{k}/{k}" if (i + j) % 5 else f"{k}/{k}" for k in corners))
    (folder / "ball.obj").write_text("\n".join([*lines, *faces]) + "\n")
    return folder / "ball.obj"


def shard(folder: Path) -> Path:
    """A binary STL of large and of tiny triangles, one of which has no normal."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(-0.5, 0.5, (40, 3, 3)) * rng.choice([0.02, 1.0], (40, 1, 1))
    normals = rng.normal(size=(40, 3))
    normals[3] = 0
    rows = np.zeros(40, np.dtype([("numbers", "<f4", 12), ("rest", "<u2")]))
    rows["numbers"] = np.concatenate([normals[:, None], corners], axis=1).reshape(40, 12)
    (folder / "shard.stl").write_bytes(bytes(80) + (40).to_bytes(4, "little") + rows.tobytes())
    return folder / "shard.stl"


def fill(client: Client, folder: Path) -> None:
    many, few = ball(folder, 24), shard(folder)
    for k in range(6):
        colour = [0.2 * k, 1.0, 1.0 - 0.1 * k, 1.0] if k % 2 else [1.0, 1.0, 1.0, 1.0]
        if k % 3 == 0:
            shape = client.createVisualShape(
                pybullet.GEOM_BOX, halfExtents=[0.3, 0.1 + 0.1 * k, 0.2], rgbaColor=colour
            )
        else:
            file = many if k % 3 == 1 else few
            shape = client.createVisualShape(
                pybullet.GEOM_MESH, fileName=str(file), meshScale=[1, 1 - 0.1 * k, 1], rgbaColor=colour
            )
        turned = pybullet.getQuaternionFromEuler([0.7 * k, 0.3, -0.4 * k])
        client.createMultiBody(
            baseVisualShapeIndex=shape, basePosition=[0.3 * k - 0.7, 0.2 * k - 0.5, 0], baseOrientation=turned
        )
    client.createMultiBody(
        baseVisualShapeIndex=client.createVisualShape(pybullet.GEOM_CYLINDER, radius=0.13, length=0.24),
        basePosition=[0.2, -0.6, 0.3],
    )


class Both:
    def __init__(self, client: Client) -> None:
        self.client, self.visuals = client, Visuals(client)
        self.visuals.begin(read_colours(client))
        self.drawing = Drawing(models_of(told_of(client)))

    def pictures(
        self, view: tuple[float, ...], hidden: frozenset[tuple[int, int]]
    ) -> tuple[Picture, Picture]:
        self.visuals.hide(hidden)
        theirs = render(self.client, SIDE, view, LENS, pybullet.ER_TINY_RENDERER)
        frames = [self.client.getBasePositionAndOrientation(uid) for uid, _ in self.drawing.models.parts]
        places = model_matrices(*(np.array(values) for values in zip(*frames)))
        layer = self.drawing.layer(hidden, self.visuals.colours, places, SIDE, view, LENS)
        return picture_of(layer, SIDE, self.drawing.nothing(LENS)), theirs


def test_colours_segments_and_depths_are_those_of_tiny_renderer(client: Client, tmp_path: Path) -> None:
    """Cameras among the shapes, inside some of them and far from all: near plane, slim triangles, equal depths."""
    fill(client, tmp_path)
    both = Both(client)
    rng = np.random.default_rng(2)
    covered = 0
    for number in range(60):
        eye = rng.normal(size=3) * rng.choice([0.3, 1.0, 2.5])
        target = eye + rng.normal(size=3) if number % 2 else rng.uniform(-0.5, 0.5, 3)
        view = pybullet.computeViewMatrix(eye.tolist(), target.tolist(), [0, 0, 1])
        hidden = frozenset((int(uid), -1) for uid in rng.choice(7, number % 4, replace=False))
        ours, theirs = both.pictures(view, hidden)
        for name in ("rgb", "segments", "depth"):
            found, wanted = getattr(ours, name), getattr(theirs, name)
            assert found.tobytes() == wanted.tobytes(), (number, name, (found != wanted).sum())
        covered += int((ours.segments >= 0).sum())
    assert covered > 60 * SIDE * SIDE // 10


def test_nothing_in_sight_is_white(client: Client, tmp_path: Path) -> None:
    fill(client, tmp_path)
    ours, theirs = Both(client).pictures(
        pybullet.computeViewMatrix([50, 0, 0], [51, 0, 0], [0, 0, 1]), frozenset()
    )
    assert (ours.rgb == 255).all() and (ours.segments == -1).all()
    assert ours.depth.tobytes() == theirs.depth.tobytes()


def test_shapes_that_are_not_known_are_left_to_pybullet(client: Client) -> None:
    client.createMultiBody(baseVisualShapeIndex=client.createVisualShape(pybullet.GEOM_SPHERE, radius=0.1))
    with pytest.raises(ValueError, match="kind"):
        models_of(told_of(client))


@pytest.mark.parametrize("lacking", ["the arithmetic", "a shape"])
def test_pybullet_draws_what_cannot_be_drawn_alike(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    def refuse(told: object) -> None:
        raise ValueError("a shape of another kind")

    monkeypatch.setattr(drawers, "_KNOWN", {})
    if lacking == "the arithmetic":
        monkeypatch.setattr(drawers, "is_tiny_renderers", lambda: False)
    else:
        monkeypatch.setattr(drawers, "models_of", refuse)
    table = PlayTable("D")
    try:
        table.reset(seed=0)
        assert isinstance(table._drawer, BulletDrawer)
        assert len(np.unique(table.observe(("gripper",))["rgb_gripper"])) > 20
    finally:
        table.close()


def test_pybullet_draws_for_classes_of_the_users_own() -> None:
    class Mine(PlayTable):
        """May change the world's shapes."""

    table = Mine("D")
    assert isinstance(table._drawer, BulletDrawer)
    table.close()


def test_models_are_made_once_for_all_tables_of_a_process(
    table_d: PlayTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawers, "models_of", None)
    another = PlayTable("D")
    another.close()
