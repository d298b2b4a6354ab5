from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from errors import SimulatorError, SimulatorMissing
from simulators.playtable import renderers
from simulators.playtable.env import PlayTable
from simulators.playtable.renderers import EGL, TINY, egl_fault, open_client, renderer_named


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
    egl_fault.cache_clear()
    monkeypatch.setattr(renderers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SimulatorMissing, match=r"cannot draw with EGL here: .* or use the renderer 'tiny'"):
        open_client(EGL, 200)
    egl_fault.cache_clear()


def test_a_plugin_that_crashes_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    egl_fault.cache_clear()
    monkeypatch.setattr(renderers.sys, "executable", str(crashing))
    assert "trying it ended with code -11" in (egl_fault() or "")
    egl_fault.cache_clear()


def test_the_plugin_is_told_its_device_while_it_is_loaded_and_not_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = []

    class Physics:
        def __init__(self, options: str = "") -> None:
            told.append(options)

        def loadPlugin(self, file: str, suffix: str) -> int:  # noqa: N802
            told.append(os.environ.get("EGL_VISIBLE_DEVICES"))
            return 1

        def getCameraImage(self, *size: int, renderer: int) -> None:  # noqa: N802
            told.append(os.environ.get("EGL_VISIBLE_DEVICES"))

    monkeypatch.delenv("EGL_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(renderers, "egl_fault", lambda: None)
    monkeypatch.setattr(renderers, "Client", Physics)
    monkeypatch.setattr(renderers, "egl_environment", lambda: {"EGL_VISIBLE_DEVICES": "3"})
    open_client(EGL, 200)
    assert told == ["--width=200 --height=200", "3", "3", "3"]
    assert "EGL_VISIBLE_DEVICES" not in os.environ


def test_two_threads_open_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables and standard output are the whole process's."""
    seen = []

    class Physics:
        def __init__(self, options: str = "") -> None:
            time.sleep(0.1)

        def loadPlugin(self, file: str, suffix: str) -> int:  # noqa: N802
            time.sleep(0.1)
            return 1

        def getCameraImage(self, *size: int, renderer: int) -> None:  # noqa: N802
            seen.append(os.environ.get("EGL_VISIBLE_DEVICES"))

    monkeypatch.delenv("EGL_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(renderers, "egl_fault", lambda: None)
    monkeypatch.setattr(renderers, "Client", Physics)
    monkeypatch.setattr("simulators.egl_devices.own_device", lambda: 3)
    before = os.fstat(1)
    with ThreadPoolExecutor(4) as threads:
        for opened in [threads.submit(open_client, EGL, 200) for _ in range(4)]:
            opened.result()
    assert set(seen) == {"3"}
    assert "EGL_VISIBLE_DEVICES" not in os.environ
    after = os.fstat(1)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)


def test_egl_draws_in_its_own_thread_only(egl_table: PlayTable) -> None:
    with ThreadPoolExecutor(1) as threads:
        for call in (egl_table.observe, egl_table.true_boxes):
            with pytest.raises(SimulatorError, match="'egl' draws only in the thread that opened it"):
                threads.submit(call).result()
        state = threads.submit(egl_table.state).result()
    np.testing.assert_array_equal(state[0], egl_table.observe()["robot_obs"])


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
