"""Which workers `--gpus` and `--cpus` ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from commands import gpus
from errors import EnvironmentLacks, InvalidInput


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "visible_gpus", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))


@pytest.mark.parametrize(
    ("said", "groups", "cpus"),
    [
        (None, [(0,), (1,), (2,), (3,)], 2),
        ("all", [(0,), (1,), (2,), (3,)], 2),
        ("none", [], 6),
        ("1", [(1,)], 5),
        ("0,2", [(0,), (2,)], 4),
        ("0+1,3", [(0, 1), (3,)], 4),
        ("0+1+2+3", [(0, 1, 2, 3)], 5),
    ],
)
def test_commas_separate_workers_and_plus_joins_gpus(
    four_gpus: None, said: str | None, groups: list[tuple[int, ...]], cpus: int
) -> None:
    devices = gpus.devices_of(said, None)
    assert (list(devices.gpus), devices.cpus) == (groups, cpus)
    assert gpus.devices_of(said, 1).cpus == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("two", "is not all, none, or numbers separated by commas"),
        ("0,", "is not all, none"),
        ("-1", "is not all, none"),
        ("0++1", "is not all, none"),
        ("0,0", "names a GPU twice"),
        ("0+1,1", "names a GPU twice"),
        ("0,7", r"this machine has no GPU 7, only \[0, 1, 2, 3\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(four_gpus: None, said: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        gpus.devices_of(said, None)


def with_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


TWO = "echo '0, GPU-aaaa-1'; echo '1, GPU-bbbb-2'"


@pytest.mark.parametrize(
    ("script", "visible", "found"),
    [
        (TWO, None, [0, 1]),
        (TWO, "1", [1]),
        (TWO, "1,0", [1, 0]),
        (TWO, "", []),
        (TWO, "-1", []),
        (TWO, "0,-1,1", [0]),
        (TWO, "7", []),
        (TWO, "GPU-bbbb", [1]),
        ("echo 0; echo 1", "1", [1]),
        ("echo No devices were found", None, []),
        ("echo NVIDIA-SMI has failed; exit 9", None, []),
    ],
)
def test_gpus_are_those_that_the_user_left_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, visible: str | None, found: list[int]
) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, script)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.visible_gpus() == found
    assert [group for (group,) in gpus.devices_of(None, 1).gpus] == found


@pytest.mark.parametrize("visible", ["", "1", "-1"])
def test_a_hidden_gpu_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(EnvironmentLacks, match=f"CUDA_VISIBLE_DEVICES={visible} hides GPU 0"):
        gpus.devices_of("0", None)


@pytest.mark.parametrize(
    ("seen", "build"), [("2.9 none 0", "built without CUDA"), ("2.9 12.6 1", "built for 12.6")]
)
def test_gpus_that_torch_does_not_see_are_refused(
    monkeypatch: pytest.MonkeyPatch, seen: str, build: str
) -> None:
    monkeypatch.setattr(gpus, "_ASK_TORCH", f"print('a library talks'); print({seen!r})")
    with pytest.raises(
        EnvironmentLacks, match=rf"GPUs 0, 1 are asked for, and torch 2.9 \({build}\) sees \d of them"
    ):
        gpus.need_gpus([(0, 1)])
    if build == "built without CUDA":
        with pytest.raises(EnvironmentLacks, match="GPU 3 is asked for"):
            gpus.need_gpus([(3,)])
    gpus.need_gpus([])
    monkeypatch.setattr(gpus, "_ASK_TORCH", "print('2.9', '12.6', 2)")
    gpus.need_gpus([(0,), (1,)])
    monkeypatch.setattr(gpus, "_ASK_TORCH", "raise SystemExit(1)")
    with pytest.raises(EnvironmentLacks, match="does not tell"):
        gpus.need_gpus([(0,)])
