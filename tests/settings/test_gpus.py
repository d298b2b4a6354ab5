"""GPUs that this process was given: its own list as CUDA reads it, SLURM's, or all that nvidia-smi names."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import gpus
from settings.gpus import entries, only

#: nvidia-smi's number -> UUID.
MACHINE = {0: "GPU-aaaa-1", 1: "GPU-bbbb-2", 2: "GPU-bbcc-3", 3: "GPU-dddd-4"}
UNITS = ("MIG-1111-a", "MIG-2222-b", "MIG-2233-c")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        monkeypatch.delenv(name, raising=False)

    def answer(*words: str) -> list[str]:
        if words == ("-L",):
            return ["GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)"] + [
                f"  MIG 3g.20gb     Device  {number}: (UUID: {unit})" for number, unit in enumerate(UNITS)
            ]
        return [f"{number}, {uuid}" for number, uuid in MACHINE.items()]

    monkeypatch.setattr(gpus, "ask_nvidia_smi", answer)


def given(monkeypatch: pytest.MonkeyPatch, visible: str) -> list[tuple[int, str]]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return [(gpu.number, gpu.name) for gpu in gpus.gpus().gpus]


@pytest.mark.parametrize(
    ("visible", "chosen"),
    [
        ("2", [(2, "2")]),
        ("3,1", [(3, "3"), (1, "1")]),
        (" 3 , 1 ", [(3, "3"), (1, "1")]),
        ("01", [(1, "1")]),
        ("1x", [(1, "1")]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,-1,1", [(0, "0")]),
        ("0,,1", [(0, "0")]),
        ("0,9,1", [(0, "0")]),
        ("0,GPU-bbbb-2", [(0, "0")]),
        ("GPU-dddd-4", [(3, "GPU-dddd-4")]),
        ("GPU-dd,GPU-a", [(3, "GPU-dd"), (0, "GPU-a")]),
        ("GPU-aaaa-1,1", [(0, "GPU-aaaa-1")]),
        ("GPU-aaaa-1,GPU-bb", [(0, "GPU-aaaa-1")]),
        ("GPU-", []),
        ("GPU-eeee", []),
        ("MIG-2222-b", [(0, "MIG-2222-b")]),
        ("MIG-2233-c,MIG-1111-a", [(0, "MIG-2233-c"), (1, "MIG-1111-a")]),
        ("MIG-1111-a,MIG-9999", [(0, "MIG-1111-a")]),
        ("MIG-1111-a,0", [(0, "MIG-1111-a")]),
        ("0,0", []),
        ("1,0,1,2", []),
        ("GPU-aaaa-1,GPU-aa", []),
        ("MIG-1111-a,MIG-1111-a", []),
    ],
)
def test_the_users_list_is_read_as_cuda_reads_it(
    visible: str, chosen: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given(monkeypatch, visible) == chosen


@pytest.mark.parametrize(
    ("visible", "trouble"),
    [
        ("0,9,1", "CUDA ignores 9,1, as no GPU of this machine is called 9"),
        ("GPU-eeee", "CUDA ignores GPU-eeee, as no GPU of this machine is called GPU-eeee"),
        ("0,GPU-bbbb-2", "CUDA ignores GPU-bbbb-2, as"),
        ("0,0", "names 0 twice, and CUDA then shows no GPU at all"),
        ("0,-1,1", ""),
        ("", ""),
        ("NoDevFiles", ""),
        ("3,1", ""),
    ],
)
def test_what_is_ignored_is_told(visible: str, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpus.gpus()
    assert found.trouble.startswith(trouble) and bool(found.trouble) is bool(trouble)
    assert found.twice is (visible == "0,0")
    assert found.said == f"CUDA_VISIBLE_DEVICES={visible}"


def test_units_that_nvidia_smi_does_not_tell_are_for_torch_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_mig_devices", list)
    assert given(monkeypatch, "MIG-GPU-aaaa-1/7/0") == [(0, "MIG-GPU-aaaa-1/7/0")]


@pytest.mark.parametrize("visible", ["0", "GPU-aaaa-1", "MIG-1111-a"])
def test_a_tool_that_does_not_answer_names_none(visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "ask_nvidia_smi", lambda *_: [])
    assert given(monkeypatch, visible) == [] and gpus.gpus().trouble == ""


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("exec sleep 60", "nvidia-smi does not answer within 0.1 s, so no GPU is used"),
        ("echo mismatch >&2; exit 9", "nvidia-smi fails: mismatch, so no GPU is used"),
        ("exit 3", "nvidia-smi fails: 3, so no GPU is used"),
        ("echo No devices were found", ""),
    ],
)
def test_a_tool_that_fails_is_told_of(
    script: str, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "TOOL_SECONDS", 0.1 if "sleep" in script else 20.0)
    assert gpus.gpus() == gpus.Given((), (), trouble=trouble)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert gpus.gpus().trouble == "", "where all are hidden it is not asked"


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, [0, 1, 2, 3]),
        ({"JOB": "2"}, [2]),
        ({"JOB": "1,3"}, [1, 3]),
        ({"STEP": "3", "JOB": "1,3"}, [3]),
        ({"JOB": ""}, [0, 1, 2, 3]),
        ({"JOB": "4,5,6,7"}, [0, 1, 2, 3]),  # the cluster hides the others and counts anew
        ({"JOB": "gpu:a100:2"}, [0, 1, 2, 3]),
    ],
)
def test_without_a_list_slurm_says_which(
    variables: dict[str, str], chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"SLURM_{name}_GPUS", text)
    assert [gpu.number for gpu in gpus.gpus().gpus] == chosen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [gpu.number for gpu in gpus.gpus().gpus] == [0], "the list goes before it"


def test_the_order_of_a_users_list_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a list numbers are nvidia-smi's, whatever order CUDA was told; with one they are what CUDA counts."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert only([1, 0]) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aaaa-1")
    assert only(["GPU-aaaa-1"]) == {"CUDA_VISIBLE_DEVICES": "GPU-aaaa-1"}


def test_entries_end_where_the_kind_changes() -> None:
    assert entries("0,1") == (["0", "1"], "")
    assert entries("GPU-a,MIG-b,GPU-c") == (["GPU-a"], "MIG-b,GPU-c")
    assert entries("") == ([], "")
