"""What `doctor` says of cores, memory and GPUs: those that this process was given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from commands.checks import machine
from commands.checks.finding import OK, WARNING, Finding
from commands.checks.machine import findings
from settings import given
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
    monkeypatch.setattr(machine, "TOOL_SECONDS", 0.2)
    if "sleep" not in script:
        monkeypatch.setattr(machine, "TOOL_SECONDS", 20.0)
    (told,) = gpus_told(tmp_path, monkeypatch, script)
    assert told.state == WARNING
    assert told.detail.startswith(detail)


def test_gpus_are_listed_beside_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "echo 'Warning: infoROM is corrupted'; echo '1, NVIDIA A100, PCIe, 40960 MiB, 580.1'"
    (told,) = gpus_told(tmp_path, monkeypatch, script)
    assert (told.name, told.state) == ("GPU 1", OK)
    assert told.detail == "NVIDIA A100, PCIe, 40960 MiB, driver 580.1"


def test_cores_and_memory_are_those_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "cores", lambda: given.Cores(2, 64, "SLURM_CPUS_PER_TASK=2"))
    monkeypatch.setattr(given, "memory", lambda: given.Memory(3 * 2**30, 2**30, "/sys/fs/cgroup/memory.max"))
    told = {finding.name: finding for finding in findings(Home(tmp_path))}
    assert told["CPU cores"].detail == "2 usable of 64 (SLURM_CPUS_PER_TASK=2)"
    assert told["memory"].detail == "1.0 GiB available of 3.0 (/sys/fs/cgroup/memory.max)"
    assert told["memory"].state == WARNING


@pytest.mark.parametrize(
    ("visible", "state", "detail"),
    [
        ("1", OK, "1 (CUDA_VISIBLE_DEVICES=1)"),
        ("", OK, "none (CUDA_VISIBLE_DEVICES=)"),
        ("0,5", WARNING, "CUDA_VISIBLE_DEVICES=0,5: CUDA ignores 5, as no GPU of this machine is called 5"),
        ("1,1", WARNING, "CUDA_VISIBLE_DEVICES=1,1: names 1 twice, and CUDA then shows no GPU at all"),
    ],
)
def test_gpus_that_are_hidden_are_told(
    visible: str, state: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    script = 'for n in 0 1; do echo "$n, NVIDIA A100, 40960 MiB, 580.1"; done'
    told = gpus_told(tmp_path, monkeypatch, f"case $1 in *uuid*) echo 0; echo 1;; *) {script};; esac")[-1]
    assert (told.name, told.state, told.detail) == ("GPUs given", state, detail)


def test_torch_need_not_see_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus_told(tmp_path, monkeypatch, "echo '0, NVIDIA A100, 40960 MiB, 580.1'")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert findings(Home(tmp_path))[-1].state == WARNING
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert findings(Home(tmp_path))[-1].state == OK


def test_two_ways_of_counting_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    rows = "echo '0, NVIDIA T4, 15360 MiB, 580.1'; echo '1, NVIDIA A100, 40960 MiB, 580.1'"
    script = f"case $1 in *uuid*) echo 0; echo 1;; *) {rows};; esac"
    told = gpus_told(tmp_path, monkeypatch, script)[-1]
    assert (told.state, told.remedy) == (WARNING, "set CUDA_DEVICE_ORDER=PCI_BUS_ID to have one count")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert gpus_told(tmp_path, monkeypatch, script)[-1].state == OK
