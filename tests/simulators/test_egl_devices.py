"""EGL's device of a GPU: EGL itself, nvidia-smi and /sys are stand-ins, what is asked of EGL goes through ctypes."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from settings import gpus
from settings.gpu_identity import GpuIdentity, identity_of
from settings.gpus import Gpu
from simulators import egl_devices
from simulators.calvin_env import CalvinEnv
from simulators.egl_devices import EglDevice, device_of, egl_environment, own_device
from simulators.external.egl_devices_script import SIGNATURES, devices
from simulators.own_process import OwnProcess
from tests.simulators.calvin_env_stand_in import make_interpreter

UUIDS = [f"{number}f6d3b2a-0000-4000-8000-00000000000{number}" for number in range(3)]
HEX = [uuid.replace("-", "") for uuid in UUIDS]
BUSES = ["00000000:1B:00.0", "00000000:3B:00.0", "00000000:AF:00.0"]
MODELS = ["NVIDIA L40S", "NVIDIA L40S", "NVIDIA L40S"]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three GPUs; EGL has software first, and counts them the other way round."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "EGL_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "ask_nvidia_smi", lambda *_: [f"{n}, GPU-{UUIDS[n]}" for n in range(3)])
    told = [f"{n}, GPU-{UUIDS[n]}, {BUSES[n]}, {MODELS[n]}" for n in range(3)]
    monkeypatch.setattr("settings.gpu_identity.ask_nvidia_smi", lambda *_: told)
    found = [EglDevice(None, None, None), *(EglDevice(uuid, None, None) for uuid in reversed(HEX))]
    monkeypatch.setattr(egl_devices, "listed", lambda: found)
    own_device.cache_clear()
    yield
    own_device.cache_clear()


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        (None, "3"),
        ("0", "3"),
        ("1", "2"),
        ("2", "1"),
        (f"GPU-{UUIDS[1]}", "2"),
        (f"GPU-{UUIDS[2][:8]}", "1"),
        ("2,0", "1"),
        ("", None),
        ("-1", None),
        ("7", None),
    ],
)
def test_a_worker_draws_on_its_own_gpu(
    visible: str | None, device: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert egl_environment().get("EGL_VISIBLE_DEVICES") == device


def test_what_the_user_says_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGL_VISIBLE_DEVICES", "0")
    assert egl_environment() == {}


def test_a_machine_without_gpus_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "ask_nvidia_smi", lambda *_: [])
    monkeypatch.setattr(egl_devices, "listed", lambda: pytest.fail("EGL is asked"))
    assert egl_environment() == {}


GPU = GpuIdentity(1, HEX[1], "0000:3b:00.0")


@pytest.mark.parametrize(
    ("found", "device"),
    [
        ([EglDevice(HEX[0], None, 1), EglDevice(HEX[1], None, 0)], 1),  # a UUID before a number
        ([EglDevice(None, "/dev/dri/card7", 1), EglDevice(None, "/dev/dri/card2", 0)], 1),
        ([EglDevice(None, "/dev/dri/gone", 0), EglDevice(None, None, 1)], 1),
        ([EglDevice(None, None, 1), EglDevice(None, None, 1)], None),  # an old driver under a list of CUDA's
        ([EglDevice(HEX[1], None, None), EglDevice(HEX[1], None, None)], None),
        ([EglDevice(None, None, None)], None),
        ([], None),
    ],
)
def test_the_surest_name_decides(
    found: list[EglDevice], device: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for card, bus in (("card7", "0000:1b:00.0"), ("card2", "0000:3b:00.0")):
        (tmp_path / "devices" / bus).mkdir(parents=True)
        (tmp_path / card).mkdir()
        (tmp_path / card / "device").symlink_to(tmp_path / "devices" / bus)
    monkeypatch.setattr(egl_devices, "_CARDS", tmp_path)
    assert device_of(GPU, found) == device


@pytest.mark.parametrize(
    ("order", "models", "known"),
    [
        (None, ["NVIDIA L40S", "NVIDIA T400"], False),
        ("FASTEST_FIRST", ["NVIDIA L40S", "NVIDIA T400"], False),
        ("PCI_BUS_ID", ["NVIDIA L40S", "NVIDIA T400"], True),
        (None, ["NVIDIA L40S", "NVIDIA L40S"], True),
    ],
)
def test_numbers_counted_by_speed_name_no_card_among_several_models(
    order: str | None, models: list[str], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [f"{n}, GPU-{UUIDS[n]}, {BUSES[n]}, {model}" for n, model in enumerate(models)]
    monkeypatch.setattr("settings.gpu_identity.ask_nvidia_smi", lambda *_: told)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    if order is not None:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    assert identity_of(Gpu(1, "1")) == (GPU if known else None)
    assert identity_of(Gpu(1, f"GPU-{UUIDS[1]}")) == GPU


def test_a_part_of_a_gpu_and_a_tool_that_answers_otherwise_are_not_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert identity_of(Gpu(0, "MIG-1111")) is None
    monkeypatch.setattr("settings.gpu_identity.ask_nvidia_smi", lambda *_: ["0, GPU-1, [N/A], NVIDIA GB10"])
    assert identity_of(Gpu(0, "0")) is None
    monkeypatch.setattr("settings.gpu_identity.ask_nvidia_smi", lambda *_: ["No devices were found"])
    assert identity_of(Gpu(0, "0")) is None


class Egl:
    """libEGL of two devices: one of NVIDIA's and Mesa's software. Functions that `without` names are not there."""

    def __init__(self, *without: str) -> None:
        self._file = ctypes.create_string_buffer(b"/dev/dri/card1")
        text = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
        kept = {
            "eglQueryDevicesEXT": SIGNATURES["eglQueryDevicesEXT"](self._list),
            "eglQueryDeviceStringEXT": text(self._text),
            "eglQueryDeviceAttribEXT": SIGNATURES["eglQueryDeviceAttribEXT"](self._number),
            "eglQueryDeviceBinaryEXT": SIGNATURES["eglQueryDeviceBinaryEXT"](self._bytes),
        }
        self._kept = {name: function for name, function in kept.items() if name not in without}
        self.eglGetProcAddress = self._find()

    def _find(self) -> Any:
        kept = self._kept

        class Find(SimpleNamespace):
            def __call__(self, name: bytes) -> int | None:
                function = kept.get(name.decode())
                return None if function is None else ctypes.cast(function, ctypes.c_void_p).value

        return Find()

    def _list(self, most: int, handles: Any, count: Any) -> int:
        handles[0], handles[1], count[0] = 11, 12, 2
        return 1

    def _text(self, handle: int, name: int) -> int | None:
        return ctypes.addressof(self._file) if (handle, name) == (11, 0x3233) else None

    def _number(self, handle: int, name: int, value: Any) -> int:
        if handle != 11 or name != 0x323A:
            return 0
        value[0] = 5
        return 1

    def _bytes(self, handle: int, name: int, most: int, value: int, size: Any) -> int:
        if handle != 11 or name != 0x335C or most < 16:
            return 0
        ctypes.memmove(value, bytes.fromhex(HEX[1]), 16)
        size[0] = 16
        return 1


def test_egl_is_asked_for_every_name_that_it_has() -> None:
    none = {"uuid": None, "drm": None, "cuda": None}
    assert devices(Egl()) == [{"uuid": HEX[1], "drm": "/dev/dri/card1", "cuda": 5}, none]
    assert devices(Egl("eglQueryDeviceBinaryEXT", "eglQueryDeviceAttribEXT")) == [
        {"uuid": None, "drm": "/dev/dri/card1", "cuda": None},
        none,
    ]
    assert devices(Egl("eglQueryDevicesEXT")) == []


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (f"print({json.dumps(json.dumps([{'uuid': HEX[0], 'drm': None, 'cuda': 0}]))})", 1),
        ("raise SystemExit('libEGL.so.1: cannot open shared object file')", 0),
        ("import os; os.abort()", 0),
        ("print('[3]')", 0),
    ],
)
def test_a_listing_that_fails_lists_nothing(
    script: str, found: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    (tmp_path / "script.py").write_text(script)
    monkeypatch.setattr(egl_devices, "_SCRIPT", tmp_path / "script.py")
    assert len(egl_devices.listed()) == found
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert egl_devices.listed() == []


def test_simulators_in_other_processes_are_told_and_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = egl_devices.listed(), []
    monkeypatch.setattr(egl_devices, "listed", lambda: asked.append(1) or found)
    monkeypatch.setattr(OwnProcess, "_start", lambda self: None)
    told = []
    for renderer in ("egl", "egl", "tiny", None):
        simulator = OwnProcess("playtable", "D", renderer=renderer)
        told.append(simulator._environment)
        simulator.close()
    assert told == [{"EGL_VISIBLE_DEVICES": "3"}, {"EGL_VISIBLE_DEVICES": "3"}, None, None]
    assert asked == [1]


def test_calvin_env_is_told_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = make_interpreter(tmp_path)
    seen = {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    for renderer in ("egl", "tiny"):
        env = CalvinEnv("B", str(python), renderer=renderer)
        assert env._process is not None
        text = Path(f"/proc/{env._process.pid}/environ").read_text()
        seen[renderer] = "EGL_VISIBLE_DEVICES=2" in text.split("\0")
        env.close()
    assert seen == {"egl": True, "tiny": False}
    assert "EGL_VISIBLE_DEVICES" not in os.environ
