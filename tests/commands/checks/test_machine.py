"""What `doctor` says of a GPU that torch has no kernels for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from commands.checks.finding import OK, WARNING
from commands.checks.machine import findings


@pytest.fixture
def p100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "0, Tesla P100-PCIE-16GB, 16384 MiB, 580.1"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (6, 0))


def test_a_gpu_without_kernels_is_a_warning(
    p100: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_70", "sm_75", "sm_120"])
    told = findings(tmp_path)[-1]
    assert (told.name, told.state) == ("torch", WARNING)
    assert "has no kernels for sm_60, only for sm_70, sm_75, sm_120" in told.detail
    assert told.remedy == (
        "choose another GPU, or install a torch built for CUDA 12.6 (pytorch.org, Get Started)"
    )
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_60", "sm_70"])
    assert findings(tmp_path)[-1].state == OK
