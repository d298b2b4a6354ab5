"""What `doctor` says of a GPU that torch has no kernels for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from commands.checks import machine
from commands.checks.finding import OK, WARNING, Finding
from commands.checks.machine import findings
from settings.home import Home


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
    told = findings(Home(tmp_path))[-1]
    assert (told.name, told.state) == ("torch", WARNING)
    assert "has no kernels for sm_60, only for sm_70, sm_75, sm_120" in told.detail
    assert told.remedy == (
        "choose another GPU, or install a torch built for CUDA 12.6 (pytorch.org, Get Started)"
    )
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_60", "sm_70"])
    assert findings(Home(tmp_path))[-1].state == OK


def gpus_told(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> list[Finding]:
    """What is said of GPUs where nvidia-smi is this shell script."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return [finding for finding in findings(Home(folder)) if finding.name.startswith("GPU")]


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("echo 'No devices were found'", "nvidia-smi names no GPU: No devices were found"),
        ("echo 'Unable to determine, reboot, now, or later'", "nvidia-smi names no GPU: Unable to determine"),
        ("true", "nvidia-smi names no GPU"),
        ("printf '\\377\\n'", "nvidia-smi names no GPU: \ufffd"),
        ("echo 'mismatch' >&2; exit 9", "nvidia-smi fails: mismatch"),
        ("exec sleep 60", "nvidia-smi does not answer within 0.2 s"),
    ],
)
def test_a_tool_that_names_no_gpu_is_a_warning(
    script: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_TOOL_SECONDS", 0.2)
    if "sleep" not in script:
        monkeypatch.setattr(machine, "_TOOL_SECONDS", 20.0)
    (told,) = gpus_told(tmp_path, monkeypatch, script)
    assert told.state == WARNING
    assert told.detail.startswith(detail)


def test_gpus_are_listed_beside_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "echo 'Warning: infoROM is corrupted'; echo '1, NVIDIA A100, PCIe, 40960 MiB, 580.1'"
    (told,) = gpus_told(tmp_path, monkeypatch, script)
    assert (told.name, told.state) == ("GPU 1", OK)
    assert told.detail == "NVIDIA A100, PCIe, 40960 MiB, driver 580.1"
