from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from simulators.playtable.solids import ALONG_X, Box, Cylinder, Pose, Prism, Solid, Sphere, between, facets

WEDGE = Prism(((0.0, 0.0), (2.0, 0.0), (0.0, 1.0)), 3.0)


def volume(solid: Solid) -> float:
    """By the divergence theorem; positive only if all corners run counter-clockwise seen from outside."""
    total = 0.0
    for facet in facets(solid):
        first, rest = facet.corners[0], facet.corners[1:]
        total += sum(np.dot(first, np.cross(a, b)) / 6 for a, b in itertools.pairwise(rest))
    return total


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (Box((1.0, 2.0, 3.0)), 6.0),
        (Box((1.0, 2.0, 3.0), Pose((5.0, 1.0, 2.0), (0.3, 0.4, 0.5))), 6.0),
        (WEDGE, 3.0),
        (Cylinder(1.0, 2.0), 2 * 8 * math.sin(math.pi / 8)),
    ],
)
def test_surfaces_are_closed_and_face_outwards(solid: Solid, expected: float) -> None:
    assert volume(solid) == pytest.approx(expected)


def test_sphere_is_nearly_round() -> None:
    assert volume(Sphere(1.0)) == pytest.approx(4 / 3 * math.pi, rel=0.15)


def test_normals_are_unit_and_point_away_from_the_middle() -> None:
    for solid in (Box((1.0, 2.0, 3.0)), Cylinder(0.5, 1.0), Sphere(0.5)):
        for facet in facets(solid):
            np.testing.assert_allclose(np.linalg.norm(facet.normals, axis=1), 1.0)
            assert (np.sum(facet.normals * facet.corners, axis=1) > 0).all()


def test_between_spans_its_corners() -> None:
    corners = np.concatenate([facet.corners for facet in facets(between((0, 1, 2), (3, 5, 8)))])
    np.testing.assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[0, 1, 2], [3, 5, 8]])


def test_along_x_puts_the_profile_into_the_yz_plane() -> None:
    prism = Prism(WEDGE.profile, WEDGE.length, Pose(rpy=ALONG_X))
    corners = np.concatenate([facet.corners for facet in facets(prism)])
    np.testing.assert_allclose(
        [corners.min(axis=0), corners.max(axis=0)], [[-1.5, 0, 0], [1.5, 2, 1]], atol=1e-12
    )


def test_texture_runs_along_the_longer_side() -> None:
    top = next(facet for facet in facets(Box((1.0, 4.0, 0.5))) if facet.normals[0, 2] == 1.0)
    assert np.ptp(top.uv[:, 0]) == 4.0
    assert np.ptp(top.uv[:, 1]) == 1.0
