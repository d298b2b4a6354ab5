from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from errors import InvalidInput, SimulatorMissing
from simulators.playtable import assets

URDF = """<robot name="t">
  <link name="base"><visual><geometry><mesh filename="package://m/a.obj"/></geometry></visual></link>
  <link name="door"><visual><geometry><box size="1 2 3"/></geometry></visual></link>
  <joint name="slide" type="prismatic"><origin xyz="0.1 0 0.2"/><limit lower="0" upper="0.35"/></joint>
  <joint name="fixed" type="fixed"><origin xyz="0 0 1"/></joint>
</robot>
"""
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture
def urdf(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/a.obj").write_text(f"mtllib a.mtl\nvt 0 0\n{TRIANGLE}")
    (tmp_path / "m/a.mtl").write_text("newmtl x\nmap_Kd t.png\n")
    Image.new("RGB", (2, 2)).save(tmp_path / "m/t.png")
    (tmp_path / "t.urdf").write_text(URDF)
    return tmp_path / "t.urdf"


def test_closure_follows_meshes_materials_and_textures(urdf: Path) -> None:
    names = [file.name for file in assets.closure([urdf, urdf])]
    assert names == ["t.urdf", "a.obj", "a.mtl", "t.png"]


def test_untextured_mesh_may_lack_its_material(urdf: Path) -> None:
    (urdf.parent / "m/a.mtl").unlink()
    with pytest.raises(SimulatorMissing, match=r"a\.mtl is missing"):
        assets.closure([urdf])
    (urdf.parent / "m/a.obj").write_text(f"mtllib a.mtl\n{TRIANGLE}")
    assert [file.name for file in assets.closure([urdf])] == ["t.urdf", "a.obj"]


def test_other_kinds_of_mesh_are_refused(urdf: Path) -> None:
    urdf.write_text(URDF.replace("a.obj", "a.dae"))
    with pytest.raises(InvalidInput, match=r"a\.dae.*neither an OBJ nor an STL"):
        assets.closure([urdf])


def test_joints_and_boxes_are_read(urdf: Path) -> None:
    assert assets.joints(urdf) == {
        "slide": assets.Joint((0.1, 0.0, 0.2), 0.35),
        "fixed": assets.Joint((0.0, 0.0, 1.0), 0.0),
    }
    assert assets.box_size(urdf) == (1.0, 2.0, 3.0)


def test_joint_without_a_place_is_refused(urdf: Path) -> None:
    urdf.write_text(URDF.replace('xyz="0.1 0 0.2"', 'xyz="here"'))
    with pytest.raises(InvalidInput, match="joint 'slide' has no usable origin"):
        assets.joints(urdf)


def test_digest_depends_on_names_and_contents_only(urdf: Path) -> None:
    files = assets.closure([urdf])
    digest = assets.digest(urdf.parent, files)
    assert assets.digest(urdf.parent, reversed(files)) == digest
    (urdf.parent / "m/a.mtl").write_text("newmtl y\nmap_Kd t.png\n")
    assert assets.digest(urdf.parent, files) != digest
