"""Files of a URDF scene: that all of them are there and whole, what they say, and their digest.

PyBullet loads a body without complaint when one of its meshes or textures is missing.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from errors import InvalidInput, SimulatorMissing
from settings.damaged_pictures import DAMAGED
from settings.faults import need_fact
from settings.regular import open_regular
from settings.shown import cut, shown
from simulators.playtable import meshes
from simulators.playtable.scene import FARTHEST

_MESH_SUFFIXES = {".obj", ".stl"}
#: PyBullet's reader calls itself for each.
_MOST_LEVELS = 50
_LONGEST_REASON = 160
#: Attributes of a body that say where or how large something is.
_SIZES = {"xyz", "rpy", "size", "scale", "radius", "length", "lower", "upper"}
#: What PyBullet reads too. Left to itself Pillow has Ghostscript run what it takes for PostScript.
_PICTURES = ("PNG", "JPEG")
#: Of a texture; calvin_env's largest has a sixteenth.
MOST_PIXELS = 1 << 24


@dataclass(frozen=True)
class Joint:
    """In the URDF's units; `upper` is 0 for a fixed joint."""

    origin: tuple[float, float, float]
    upper: float


def closure(urdfs: Iterable[Path]) -> list[Path]:
    """These URDFs and all meshes, materials and textures they lead to, each once, all of them checked.

    Raises SimulatorMissing for a missing file and InvalidInput for a damaged one.
    """
    files: dict[Path, None] = {}
    for urdf in urdfs:
        root = _parse(urdf)
        files[urdf] = None
        _check_sizes(urdf, root)
        for element in root.iter("mesh"):
            mesh = _mesh(urdf, element.get("filename", ""))
            for file in (mesh, *_textures(mesh)):
                files[file] = None
    return list(files)


def joints(urdf: Path) -> dict[str, Joint]:
    """The joints of a body by name. Raises InvalidInput where one has no usable origin."""
    found = {}
    for element in _parse(urdf).iter("joint"):
        name, origin, limit = element.get("name", ""), element.find("origin"), element.find("limit")
        try:
            x, y, z = _numbers("" if origin is None else origin.get("xyz", ""))
            (upper,) = (0.0,) if limit is None else _numbers(limit.get("upper", "0"))
        except ValueError:
            raise InvalidInput(f"{urdf}: joint {shown(name)} has no usable origin or limit") from None
        found[name] = Joint((x, y, z), upper)
    return found


def names(urdf: Path, kind: str) -> set[str]:
    """Names of the elements of this kind, `joint` or `link`."""
    return {element.get("name", "") for element in _parse(urdf).iter(kind)}


def need_parts(urdf: Path, joints: Iterable[str], links: Iterable[str]) -> None:
    """Raises InvalidInput where a body lacks one of them."""
    for kind, wanted in (("joint", joints), ("link", links)):
        lacking = sorted(set(wanted) - names(urdf, kind))
        if lacking:
            raise InvalidInput(f"{urdf} has no {kind} {', '.join(lacking)}")


def box_size(urdf: Path) -> tuple[float, float, float]:
    """Extent of the first box of a body, in the URDF's units. Raises InvalidInput where it has none."""
    box = next(_parse(urdf).iter("box"), None)
    try:
        x, y, z = _numbers("" if box is None else box.get("size", ""))
        if min(x, y, z) <= 0:
            raise ValueError
    except ValueError:
        raise InvalidInput(f"{urdf} holds no box with a usable size") from None
    return x, y, z


def digest(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 over the names below `folder` and the contents of `files`; their order does not matter."""
    total = hashlib.sha256()
    for name, file in sorted((os.path.relpath(file, folder), file) for file in files):
        total.update(f"{name}\0{hashlib.sha256(meshes.content_of(file)).hexdigest()}\n".encode())
    return total.hexdigest()


def _parse(urdf: Path) -> ET.Element:
    _require(urdf)
    root, levels = None, 0
    try:
        with open_regular(urdf, meshes.MOST_BYTES) as file:
            for event, element in ET.iterparse(file, ("start", "end")):
                root = element if root is None else root
                levels += 1 if event == "start" else -1
                if levels > _MOST_LEVELS:
                    raise InvalidInput(f"{urdf} has more than {_MOST_LEVELS} elements in each other")
    except (OSError, ET.ParseError, LookupError, ValueError) as error:  # LookupError: of an encoding
        need_fact(error)
        raise InvalidInput(f"{urdf} is damaged: {cut(str(error), _LONGEST_REASON)}") from None
    assert root is not None  # else there is no element, which is a ParseError
    return root


def _numbers(text: str) -> list[float]:
    """Raises ValueError for what is no number of a body."""
    found = [float(word) for word in text.split()]
    if not all(abs(number) <= FARTHEST for number in found):  # nor is what is not a number
        raise ValueError
    return found


def _check_sizes(urdf: Path, root: ET.Element) -> None:
    for element in root.iter():
        for name in _SIZES & set(element.keys()):
            text = element.get(name, "")
            try:
                count = len(_numbers(text))
            except ValueError:
                count = 0
            if not 1 <= count <= 3:
                raise InvalidInput(
                    f"{urdf}: {name} of a {cut(element.tag)} is {shown(text)}, not numbers up to {FARTHEST:g}"
                )


def _mesh(urdf: Path, reference: str) -> Path:
    mesh = _named(urdf, "mesh", reference.removeprefix("package://"))
    if mesh.suffix.lower() not in _MESH_SUFFIXES:
        raise InvalidInput(f"{urdf} refers to {shown(reference)}, which is neither an OBJ nor an STL file")
    _require(mesh)
    meshes.extent(mesh)
    return mesh


def _named(file: Path, keyword: str, name: str) -> Path:
    """The file that `name` in `file` leads to, which may not exist. Raises InvalidInput for a name that none has."""
    named = file.parent / name
    try:
        if not name.isprintable():
            raise ValueError("not printable")
        named.is_file()
    except (OSError, ValueError) as error:
        need_fact(error)
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{file}: {keyword} {shown(name)} is no name of a file ({reason})") from None
    return named


def _textures(mesh: Path) -> list[Path]:
    """Material files of a mesh and the images they name.

    Some of calvin_env's meshes name materials that it does not ship; where a mesh has texture coordinates,
    its material decides its look and must be there.
    """
    if mesh.suffix.lower() != ".obj":
        return []
    found = []
    is_textured = bool(_values(mesh, "vt"))
    for name in _values(mesh, "mtllib"):
        material = _named(mesh, "mtllib", name)
        if not is_textured and not material.is_file():
            continue
        _require(material)
        found.append(material)
        # A drive letter is somebody's own machine: PyBullet does not find that image either.
        for value in _values(material, "map_Kd"):
            if ":" not in value:
                texture = _named(material, "map_Kd", value)
                _check_texture(texture)
                found.append(texture)
    return found


def _check_texture(texture: Path) -> None:
    _require(texture)
    try:
        with open_regular(texture, meshes.MOST_BYTES) as file, _opened(file) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InvalidInput(
                    f"{texture} has {width} x {height} pixels, and at most {MOST_PIXELS} are read"
                )
            image.load()
    except DAMAGED as error:
        need_fact(error)
        raise InvalidInput(f"{texture} is damaged: {cut(str(error), _LONGEST_REASON)}") from None


def _opened(file: BinaryIO) -> Image.Image:
    """Not loaded yet. Pillow's warning of many pixels is none here, where fewer are the limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=_PICTURES)


def _values(file: Path, keyword: str) -> list[str]:
    """What follows `keyword` in the lines of a Wavefront file that begin with it."""
    lines = (line.split(maxsplit=1) for line in meshes.content_of(file).decode(errors="replace").splitlines())
    return [fields[1].strip() for fields in lines if len(fields) == 2 and fields[0] == keyword]


def _require(file: Path) -> None:
    if not file.is_file():
        raise SimulatorMissing(f"{file} is missing; clone calvin_env again")
