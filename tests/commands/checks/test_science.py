from __future__ import annotations

import pytest

from commands.checks import science
from commands.checks.finding import OK, WARNING
from simulators import egl_devices
from simulators.playtable import renderers


@pytest.mark.parametrize(
    ("devices", "state", "words"),
    [
        ({}, OK, "drawn with tiny"),
        ({0: None}, OK, "drawn with tiny"),
        ({0: 1, 1: 0}, OK, "; GPU 0 is its device 1; GPU 1 is its device 0"),
        (
            {0: 1, 1: None, 2: None},
            WARNING,
            "GPU 1, 2 is not known, so it draws on its first; GPU 0 is its device 1",
        ),
    ],
)
def test_egl_tells_which_of_its_devices_is_which_gpu(
    devices: dict[int, int | None], state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderers, "egl_fault", lambda: None)
    monkeypatch.setattr(egl_devices, "devices_of_gpus", lambda: devices)
    found = science._egl()
    assert found.state == state
    assert found.detail.endswith(words)
