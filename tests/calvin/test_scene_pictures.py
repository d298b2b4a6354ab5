"""Scenes told by pictures: right where they are CALVIN's, unknown where they are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmark.tasks import SCENES
from calvin.scene_pictures import DRAWN, sighting
from settings.scheduling import kept_scheduling
from tests.calvin.scene_frames import like
from tests.simulators.conftest import shared_folder


@pytest.mark.parametrize(("scene", "renderer"), DRAWN)
def test_a_reference_shows_its_own_scene(scene: str, renderer: str) -> None:
    seen = sighting(like(scene, renderer))
    assert (seen.scene, seen.renderer, seen.alike) == (scene, renderer, 1.0)
    assert seen.other < 0.7


@pytest.mark.parametrize(("scene", "renderer"), DRAWN)
def test_the_arm_may_hide_a_quarter_of_it(scene: str, renderer: str) -> None:
    picture = like(scene, renderer)
    picture[:100, :100] = 230
    assert sighting(picture).scene == scene


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "red and blue exchanged": lambda one: one[..., ::-1],
    "mirrored": lambda one: one[:, ::-1],
    "upside down": lambda one: one[::-1],
    "grey": lambda one: np.repeat(one.mean(axis=2, keepdims=True), 3, axis=2),
    "brighter": lambda one: np.minimum(one.astype(int) + 40, 255),
    "darker": lambda one: one * 0.6,
    "half hidden": lambda one: np.where(np.arange(200)[:, None, None] < 130, 0, one),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_renderer_drew_is_unknown(change: str) -> None:
    for scene, renderer in DRAWN:
        changed = np.ascontiguousarray(CHANGES[change](like(scene, renderer)).astype(np.uint8))
        assert sighting(changed).scene is None, (scene, renderer)


def test_noise_and_single_colours_are_unknown() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        assert sighting(random.integers(0, 256, (200, 200, 3), dtype=np.uint8)).scene is None
        assert sighting(np.full((200, 200, 3), random.integers(0, 256, 3), dtype=np.uint8)).scene is None


@pytest.mark.parametrize(("codec", "crf"), [("libx264", "30"), ("libsvtav1", "35")])
def test_films_of_poor_quality_are_told_as_well(codec: str, crf: str) -> None:
    import av

    content = io.BytesIO()
    with kept_scheduling(), av.open(content, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=Fraction(30))
        stream.height, stream.width, stream.pix_fmt = 200, 200, "yuv420p"
        stream.options = {"crf": crf}
        for scene, renderer in DRAWN:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(like(scene, renderer), format="rgb24")))
        container.mux(stream.encode())
    content.seek(0)
    with av.open(content, "r", format="mp4") as container:
        shown = [sighting(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [(one.scene, one.renderer) for one in shown] == list(DRAWN)


def test_frames_of_the_official_simulator_are_told() -> None:
    files = sorted(shared_folder("BATON_CALVIN_MINI", "calvin_mini").rglob("episode_*.npz"))
    for file in files[:: len(files) // 25]:
        with np.load(file) as frame:
            assert sighting(frame["rgb_static"]).scene == "D"


@pytest.mark.parametrize("scene", SCENES)
def test_drawn_scenes_are_told_and_batons_own_are_not(scene: str) -> None:
    from simulators.playtable.env import PlayTable

    clone = shared_folder("BATON_CALVIN_ASSETS", "calvin_assets")
    for assets, expected in ((clone, scene), (None, None)):
        simulator = PlayTable(scene, assets)
        simulator.reset(seed=5)
        assert sighting(simulator.observe(("static",))["rgb_static"]).scene == expected
        simulator.close()


def test_the_references_are_small_and_travel_with_the_package() -> None:
    from calvin.scene_pictures import FILE

    assert FILE.stat().st_size < 40_000
    assert f'"{FILE.name}"' in (Path(FILE).parent.parent / "pyproject.toml").read_text()
