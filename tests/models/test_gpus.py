"""Which builds of torch run on which GPUs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from models import gpus
from models.gpus import runs_on, visible_gpus

TODAY = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((6, 0), ["sm_70", "sm_75", "sm_80", "sm_90", "sm_100", "sm_120"], False),  # a P100
        ((6, 0), ["sm_50", "sm_60", "sm_70"], True),
        ((6, 1), ["sm_60"], True),
        ((6, 0), ["sm_61"], False),
        ((8, 6), ["sm_80"], True),  # within a major version code runs on what is newer
        ((8, 9), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((7, 0), TODAY, False),
        ((7, 5), TODAY, True),
        ((13, 0), TODAY, True),  # by the PTX at the end
        ((13, 0), TODAY[:-1], False),
        ((10, 3), ["sm_100"], True),
        ((12, 1), ["sm_120"], True),
        ((6, 1), ["compute_60"], True),
        ((6, 0), ["compute_61"], False),
        ((9, 0), ["sm_90a"], True),
        ((9, 1), ["sm_90a"], False),
        ((10, 0), ["compute_90a"], False),
        ((10, 3), ["sm_100f"], True),
        ((11, 0), ["sm_100f"], False),
        ((10, 0), ["sm_103f"], False),
        ((8, 7), ["sm_80"], False),  # integrated: code of its own
        ((8, 9), ["sm_87"], False),
        ((8, 7), ["sm_87"], True),
        ((8, 7), ["sm_80", "compute_80"], True),
        ((11, 0), ["sm_101"], True),
        ((9, 4), [], True),  # ROCm names none of these
        ((8, 0), ["gfx90a"], False),
    ],
)
def test_code_and_gpus(capability: tuple[int, int], built_for: Sequence[str], runs: bool) -> None:
    assert runs_on(capability, built_for) is runs


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: ["Tesla P100", "Tesla T4"][index])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: [(6, 0), (7, 5)][index])
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])


def test_each_gpu_is_judged(two_gpus: None) -> None:
    old, new = visible_gpus()
    assert (old.index, old.name, new.fault) == (0, "Tesla P100", None)
    assert str(old.fault).endswith("has no kernels for sm_60, only for sm_75, sm_80")
    assert old.remedy.startswith("choose another GPU, or install a torch built for CUDA 12.6")
    assert "a newer CUDA" in new.remedy


def test_another_makers_build_is_not_judged(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert [gpu.fault for gpu in visible_gpus()] == [None, None]


def test_a_sum_that_fails_is_a_fault(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = visible_gpus()
    monkeypatch.setattr(gpus.torch.backends.cuda, "is_built", lambda: True)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be ...")

    monkeypatch.setattr(gpus.torch, "ones", fails)
    assert str(gpus.tried(new).fault).endswith("fails on it: CUDA error: uncorrectable ECC error encountered")
    assert gpus.tried(old) is old
