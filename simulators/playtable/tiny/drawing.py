"""Pictures of a scene's models with TinyRenderer's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np

from simulators.playtable.boxes import segment_of
from simulators.playtable.pictures import Layer
from simulators.playtable.tiny import fragments as raster
from simulators.playtable.tiny.batches import Camera
from simulators.playtable.tiny.matrices import Floats, Ints, eye_of, opengl_matrix, product
from simulators.playtable.tiny.models import Models
from simulators.playtable.tiny.shading import colours, shades, texels
from simulators.playtable.tiny.triangles import joined, may_show
from simulators.playtable.visuals import Part


class Drawing:
    """Draws `models`. TinyRenderer works on its normals whenever it draws them, which shows in their last bits: so
    what a part looks like depends on how often it was drawn since `begin`."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self._drawn = np.zeros(len(models.parts), np.intp)
        self._tints = [(part, models.parts[:place].count(part)) for place, part in enumerate(models.parts)]
        self._textured = np.array([image is not None for image in models.images])
        self._segments = np.array([segment_of(part) for part in models.parts], np.int32)

    def begin(self) -> None:
        """The world was just loaded: nothing has been drawn yet."""
        self._drawn[:] = 0

    def layer(
        self,
        hidden: Set[Part],
        tints: Mapping[Part, tuple[tuple[float, ...], ...]],
        places: Floats,
        side: int,
        view: tuple[float, ...],
        projection: tuple[float, ...],
    ) -> Layer:
        """What a camera sees of all parts but those hidden. tints: RGBA of their shapes; places: model matrices
        (s, 4, 4) of all shapes; view, projection: OpenGL's, by columns."""
        models = self.models
        shown = np.array([part not in hidden for part in models.parts])
        self._drawn += shown
        view_matrix, lens_matrix = opengl_matrix(view), opengl_matrix(projection)
        clips = product(lens_matrix, product(view_matrix, places))
        camera = Camera(clips, places, eye_of(view), side)
        lens = raster.lens_of(lens_matrix, side)
        found = [part for batch in models.batches for part in may_show(batch, shown, camera)]
        if not found:
            return Layer(
                np.zeros(0, np.intp),
                np.zeros((0, 3), np.uint8),
                np.zeros(0, np.int32),
                np.zeros(0, np.float32),
            )
        covered = raster.fragments(joined(found), lens)
        row, column = np.divmod(covered.pixels, side)
        owners = models.owners.take(covered.numbers)
        return Layer(
            (side - 1 - row) * side + column,
            self._rgb(covered, owners, tints, places),
            self._segments.take(owners),
            _depth_buffer(covered.z, lens),
        )

    def nothing(self, projection: tuple[float, ...]) -> float:
        """The depth of pixels where nothing is."""
        lens = raster.lens_of(opengl_matrix(projection), 1)
        return float(_depth_buffer(np.array([-lens.far], np.float32), lens)[0])

    def _rgb(
        self,
        covered: raster.Fragments,
        owners: Ints,
        tints: Mapping[Part, tuple[tuple[float, ...], ...]],
        places: Floats,
    ) -> np.ndarray:
        models = self.models
        diffuse, specular = shades(self._normals(covered, owners), covered.weights, owners, places)
        texel = np.full(len(owners), 0xFFFFFFFF, np.uint32)
        counts = np.bincount(owners, minlength=len(models.parts))
        for place in np.flatnonzero(counts * self._textured):
            image = models.images[place]
            assert image is not None
            at = np.flatnonzero(owners == place)
            uv = models.uv.take(covered.numbers.take(at), axis=0)
            texel[at] = texels(uv, covered.weights.take(at, axis=1), image)
        # Parts of several shapes have one colour each.
        tint = np.array([tints[part][k][:3] for part, k in self._tints], np.float32)
        is_plain = (tint[counts > 0] == 1).all()
        rgb = texel.view(np.uint8).reshape(-1, 4)[:, :3]
        return colours(rgb, None if is_plain else tint.take(owners, axis=0), diffuse, specular)

    def _normals(self, covered: raster.Fragments, owners: Ints) -> Floats:
        """(n, 9): after how many rounds depends on how often they were used."""
        flat = self.models.normals.reshape(-1, 9)
        begins = _round(self._drawn) * len(self.models.owners)
        found = flat.take(begins.take(owners) + covered.numbers, axis=0)
        for place, (totals, turns) in self.models.uses.items():
            at = np.flatnonzero(owners == place)
            if len(at):
                face = covered.numbers[at] - int(np.searchsorted(self.models.owners, place))
                corner_used = (self._drawn[place] - 1) * totals[face] + turns[face]
                normals = self.models.normals[_round(corner_used), covered.numbers[at][:, None], np.arange(3)]
                found[at] = normals.reshape(-1, 9)
        return found


def _round(used: Ints) -> Ints:
    return np.where(used <= 1, 0, 1 + used % 2)


def _depth_buffer(z: Floats, lens: raster.Lens) -> Floats:
    """OpenGL's depth of minus the clip z."""
    near, far, clip_z = lens.near, lens.far, -z
    above = far * (near + clip_z)
    double_near, double_far = np.float64(near), np.float64(far)
    below = 2.0 * double_far * double_near + (far * clip_z).astype(np.float64)
    return np.asarray(above / (below - (near * clip_z).astype(np.float64)), dtype=np.float32)
