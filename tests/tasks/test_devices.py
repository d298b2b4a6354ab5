"""A worker computes on what it says."""

from __future__ import annotations

import os

import pytest

from errors import EnvironmentLacks
from tasks import devices

VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "kept")
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "kept")
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    monkeypatch.setattr(devices, "_seen", lambda: 2)
    monkeypatch.setattr(devices, "_may_have_gpu", lambda: True)


def test_a_worker_of_the_processor_sees_no_gpu() -> None:
    assert devices.pin("cpu") == "cpu"
    assert os.environ[VISIBLE] == ""


def test_a_worker_of_a_gpu_sees_that_one() -> None:
    assert devices.pin("cuda:1") == "cuda:1"
    assert (os.environ[VISIBLE], os.environ["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")


def test_what_is_visible_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "3,5")
    assert devices.pin("cuda:0+1") == "cuda:0+1"
    assert os.environ[VISIBLE] == "3,5"


@pytest.mark.parametrize("told", ["cuda", "cuda:1", "cuda:0+1+2"])
def test_a_gpu_that_torch_does_not_see_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setattr(devices, "_seen", lambda: 0)
    with pytest.raises(
        EnvironmentLacks, match=f"is to compute on {told.replace('+', '.')}, and torch sees 0 GPUs"
    ):
        devices.pin(told)


@pytest.mark.parametrize("told", ["gpu", "cuda:", "cuda:a", "mps", ""])
def test_other_devices_are_refused(told: str) -> None:
    with pytest.raises(EnvironmentLacks, match="a worker computes on"):
        devices.pin(told)


def test_without_a_word_torch_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.pin(None) == "cuda:0"
    monkeypatch.setenv(VISIBLE, "2,3")
    assert devices.pin(None) == "cuda:2+3"
    monkeypatch.setenv(VISIBLE, "2,3,-1,4")
    assert devices.pin(None) == "cuda:2+3"
    monkeypatch.setenv(VISIBLE, "GPU-bbbb,GPU-aaaa")
    assert devices.pin(None) == "cuda:0+1", "no name that nobody can say again"
    monkeypatch.setattr(devices, "_seen", lambda: 0)
    assert devices.pin(None) == "cpu"
