from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from simulators.playtable.client import Client
from simulators.playtable.solids import Box, Cylinder, Pose, Prism, Sphere
from simulators.playtable.urdf import Body, Contact, Joint, Link, Material, write_body, write_textures

RED = Material("red", (1.0, 0.0, 0.0, 1.0))
PRISM = Prism(((0.0, 0.0), (0.2, 0.0), (0.0, 0.1)), 0.3)
BODY = Body(
    "thing",
    (
        Link("base_link", ((RED, (Box((0.1, 0.2, 0.3)), PRISM)),)),
        Link(
            "lid",
            ((RED, (Cylinder(0.1, 0.2), Sphere(0.05, collides=False))),),
            mass=2.0,
            contact=Contact(lateral_friction=0.7, friction_anchor=True),
        ),
    ),
    (Joint("hinge", "prismatic", "base_link", "lid", Pose((0.0, 0.0, 0.5)), (0, 0, 1), 0.0, 0.25),),
)


def test_pybullet_loads_what_was_written(tmp_path: Path) -> None:
    client = Client()
    uid = client.loadURDF(str(write_body(tmp_path, BODY)), useFixedBase=True, globalScaling=2.0)
    assert client.links(uid) == {"base_link": -1, "lid": 0}
    assert client.getJointInfo(uid, client.joints(uid)["hinge"])[8:10] == pytest.approx((0.0, 0.5))
    assert client.getDynamicsInfo(uid, 0)[:2] == pytest.approx((2.0, 0.7))
    assert len(client.getCollisionShapeData(uid, -1)) == 2
    assert len(client.getCollisionShapeData(uid, 0)) == 1
    assert client.getVisualShapeData(uid)[0][7] == pytest.approx(RED.rgba)
    client.close()


def test_lines_are_short_enough_for_pybullet(tmp_path: Path) -> None:
    many = Body("many", (Link("base_link", ((RED, (Box((0.1, 0.1, 0.1)),) * 40),)),))
    assert max(map(len, write_body(tmp_path, many).read_text().splitlines())) < 1024


def test_textured_material_names_its_image_and_scales_its_coordinates(tmp_path: Path) -> None:
    write_textures(tmp_path, {"wood": np.zeros((4, 4, 3), np.uint8)})
    material = Material("oak", texture="wood", texture_metres=0.25)
    write_body(tmp_path, Body("desk", (Link("base_link", ((material, (Box((1.0, 1.0, 1.0)),)),)),)))
    assert "map_Kd wood.png" in (tmp_path / "desk.base_link.0.mtl").read_text()
    mesh = (tmp_path / "desk.base_link.0.obj").read_text()
    uv = [float(line.split()[1]) for line in mesh.splitlines() if line.startswith("vt ")]
    assert max(uv) - min(uv) == pytest.approx(4.0)
    assert (tmp_path / "wood.png").exists()


def test_fixed_joints_have_no_limits(tmp_path: Path) -> None:
    body = Body("pair", (Link("a"), Link("b")), (Joint("weld", "fixed", "a", "b"),))
    root = ET.parse(write_body(tmp_path, body)).getroot()
    assert root.find("joint/limit") is None
