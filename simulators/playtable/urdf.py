"""Bodies as data, and the URDF, OBJ and PNG files that PyBullet loads them from."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from simulators.playtable.solids import Box, Cylinder, Pose, Solid, Sphere, Vector, facets


@dataclass(frozen=True)
class Material:
    """`rgba` in 0 to 1 multiplies the texture, if there is one, which repeats every `texture_metres`."""

    name: str
    rgba: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    texture: str | None = None
    texture_metres: float = 0.5


@dataclass(frozen=True)
class Contact:
    """Bullet's contact parameters of a link; None keeps the engine's default."""

    lateral_friction: float | None = None
    spinning_friction: float | None = None
    stiffness: float | None = None
    damping: float | None = None
    friction_anchor: bool = False


@dataclass(frozen=True)
class Link:
    name: str
    parts: tuple[tuple[Material, tuple[Solid, ...]], ...] = ()
    mass: float = 0.0
    contact: Contact | None = None


@dataclass(frozen=True)
class Joint:
    """`kind` is URDF's type: fixed, revolute or prismatic. Limits in metres or radians."""

    name: str
    kind: str
    parent: str
    child: str
    origin: Pose = field(default_factory=Pose)
    axis: Vector = (0.0, 0.0, 1.0)
    lower: float = 0.0
    upper: float = 0.0


@dataclass(frozen=True)
class Body:
    """A tree of links; the first is the base. `joints` are in the order in which PyBullet numbers them
    if every parent's subtree is complete before the next sibling."""

    name: str
    links: tuple[Link, ...]
    joints: tuple[Joint, ...] = ()


def write_textures(folder: Path, textures: Mapping[str, np.ndarray]) -> None:
    """Write each (H, W, 3) uint8 RGB array as `<name>.png`."""
    for name, pixels in textures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")


def write_body(folder: Path, body: Body) -> Path:
    """Write `<name>.urdf` and its meshes into `folder` and return the URDF's path."""
    root = ET.Element("robot", name=body.name)
    for link in body.links:
        _add_link(root, folder, body.name, link)
    for joint in body.joints:
        _add_joint(root, joint)
    # PyBullet reads lines of at most 1024 characters.
    ET.indent(root)
    path = folder / f"{body.name}.urdf"
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _add_link(root: ET.Element, folder: Path, body_name: str, link: Link) -> None:
    element = ET.SubElement(root, "link", name=link.name)
    if link.contact is not None:
        _add_contact(element, link.contact)
    inertial = ET.SubElement(element, "inertial")
    ET.SubElement(inertial, "mass", value=repr(link.mass))
    # PyBullet derives the inertia from the collision shapes; the format wants the element anyway.
    ET.SubElement(inertial, "inertia", ixx="1", ixy="0", ixz="0", iyy="1", iyz="0", izz="1")
    for i, (material, solids) in enumerate(link.parts):
        stem = f"{body_name}.{link.name}.{i}"
        _write_mesh(folder, stem, material, solids)
        visual = ET.SubElement(element, "visual")
        _add_geometry(visual, Pose(), "mesh", filename=f"{stem}.obj")
        colour = ET.SubElement(visual, "material", name=f"{stem}.{material.name}")
        ET.SubElement(colour, "color", rgba=_text(material.rgba))
        for j, solid in enumerate(solids):
            if solid.collides:
                _add_collision(ET.SubElement(element, "collision"), folder, f"{stem}.hull{j}", solid)


def _add_contact(element: ET.Element, contact: Contact) -> None:
    block = ET.SubElement(element, "contact")
    if contact.friction_anchor:
        ET.SubElement(block, "friction_anchor")
    for name in ("lateral_friction", "spinning_friction", "stiffness", "damping"):
        value = getattr(contact, name)
        if value is not None:
            ET.SubElement(block, name, value=repr(value))


def _add_collision(element: ET.Element, folder: Path, stem: str, solid: Solid) -> None:
    if isinstance(solid, Box):
        _add_geometry(element, solid.pose, "box", size=_text(solid.size))
    elif isinstance(solid, Cylinder):
        _add_geometry(element, solid.pose, "cylinder", radius=repr(solid.radius), length=repr(solid.length))
    elif isinstance(solid, Sphere):
        _add_geometry(element, solid.pose, "sphere", radius=repr(solid.radius))
    else:
        _write_mesh(folder, stem, None, [solid])
        _add_geometry(element, Pose(), "mesh", filename=f"{stem}.obj")


def _add_geometry(element: ET.Element, pose: Pose, shape: str, **attributes: str) -> None:
    ET.SubElement(element, "origin", xyz=_text(pose.xyz), rpy=_text(pose.rpy))
    ET.SubElement(ET.SubElement(element, "geometry"), shape, attributes)


def _add_joint(root: ET.Element, joint: Joint) -> None:
    element = ET.SubElement(root, "joint", name=joint.name, type=joint.kind)
    ET.SubElement(element, "origin", xyz=_text(joint.origin.xyz), rpy=_text(joint.origin.rpy))
    ET.SubElement(element, "parent", link=joint.parent)
    ET.SubElement(element, "child", link=joint.child)
    ET.SubElement(element, "axis", xyz=_text(joint.axis))
    if joint.kind != "fixed":
        limits = {"lower": repr(joint.lower), "upper": repr(joint.upper), "effort": "0", "velocity": "0"}
        ET.SubElement(element, "limit", limits)


def _write_mesh(folder: Path, stem: str, material: Material | None, solids: Iterable[Solid]) -> None:
    lines = []
    if material is not None and material.texture is not None:
        (folder / f"{stem}.mtl").write_text(f"newmtl surface\nKd 1 1 1\nmap_Kd {material.texture}.png\n")
        lines += [f"mtllib {stem}.mtl", "usemtl surface"]
    period = 1.0 if material is None else material.texture_metres
    polygons, count = [], 0
    for facet in (f for solid in solids for f in facets(solid)):
        for tag, rows in (("v", facet.corners), ("vt", facet.uv / period), ("vn", facet.normals)):
            lines += [f"{tag} {_text(row)}" for row in rows]
        ids = [f"{i}/{i}/{i}" for i in range(count + 1, count + 1 + len(facet.corners))]
        polygons += [f"f {ids[0]} {ids[i]} {ids[i + 1]}" for i in range(1, len(ids) - 1)]
        count += len(ids)
    (folder / f"{stem}.obj").write_text("\n".join(lines + polygons) + "\n")


def _text(values: Iterable[float]) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)
