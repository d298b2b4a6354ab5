from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from errors import SimulatorError, SimulatorMissing
from simulators.playtable import renderers
from simulators.playtable.env import PlayTable
from simulators.playtable.renderers import EGL, TINY, open_client, renderer_named


@pytest.fixture(scope="module")
def egl_table() -> Iterator[PlayTable]:
    try:
        sim = PlayTable("D", renderer="egl")
    except SimulatorMissing as error:
        pytest.skip(str(error))
    yield sim
    sim.close()


def test_renderers_have_names() -> None:
    assert renderer_named("tiny") is TINY
    assert renderer_named("egl") is EGL
    with pytest.raises(SimulatorError, match="renderer 'gl' is unknown; known renderers: tiny, egl"):
        renderer_named("gl")


def test_missing_plugin_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    renderers._egl_plugin.cache_clear()
    monkeypatch.setattr(renderers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SimulatorMissing, match=r"cannot draw with EGL here: .* or use the renderer 'tiny'"):
        open_client(EGL, 200)
    renderers._egl_plugin.cache_clear()


def test_egl_pictures_are_functions_of_the_state(egl_table: PlayTable, table_d: PlayTable) -> None:
    pictures = []
    for seed in (0, 1, 0):
        egl_table.reset(seed=seed)
        egl_table.step(np.array([0.0, 0, 0, 0, 0, 0, 1]))
        pictures.append(egl_table.observe(boxes=True))
    first, other, again = pictures
    for name in ("rgb_static", "rgb_gripper"):
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).any()
    table_d.reset(seed=0)
    table_d.step(np.array([0.0, 0, 0, 0, 0, 0, 1]))
    tiny = table_d.observe(boxes=True)
    assert np.abs(tiny["rgb_static"].astype(int) - first["rgb_static"]).mean() < 40
    for name, box in tiny["true_boxes"].items():
        assert (box is None) == (first["true_boxes"][name] is None)
        if box is not None:
            np.testing.assert_allclose(box, first["true_boxes"][name], atol=3)


def test_egl_is_recorded_and_leaves_standard_output_alone(
    egl_table: PlayTable, capfd: pytest.CaptureFixture[str]
) -> None:
    assert egl_table.description()["renderer"] == "egl"
    other = PlayTable("D", renderer="egl")
    other.reset(seed=0)
    other.observe()
    other.close()
    assert capfd.readouterr().out == ""
