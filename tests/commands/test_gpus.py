"""Which workers `--gpus` and `--cpus` ask for; those on GPUs that cannot be used are refused before they start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from commands import gpus
from commands.checks.trial import Trial
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


OLD = {
    "name": "Tesla P100",
    "fault": "torch 2.13 has no kernels for sm_60, only for sm_75",
    "remedy": "get another",
}
GOOD = {"name": "Tesla T4", "fault": None, "remedy": "get another"}
TORCH = "2.9 (built without CUDA)"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Have the machine be found so; returns the calls."""

    def given(*seen: dict[str, Any], **faults: str | None) -> list[Any]:
        calls: list[Any] = []

        def answer(gpus: tuple[int, ...] | None = None) -> Trial:
            calls.append(gpus)
            return Trial(faults, [{"index": index, **gpu} for index, gpu in enumerate(seen)], torch=TORCH)

        monkeypatch.setattr(gpus, "try_machine", answer)
        return calls

    return given


def test_without_gpus_nothing_is_tried(found: Callable[..., list[Any]]) -> None:
    calls = found(OLD)
    gpus.need_gpus([])
    assert calls == []


def test_good_gpus_pass(found: Callable[..., list[Any]]) -> None:
    calls = found(GOOD, GOOD, torch=None)
    gpus.need_gpus([(2,), (3,)])
    assert calls == [(2, 3)]


@pytest.mark.parametrize(
    ("seen", "groups", "sentence"),
    [
        (
            [OLD],
            [(0,)],
            r"^GPU 0 \(Tesla P100\): torch 2\.13 has no kernels .*; start with --gpus none, or get",
        ),
        ([GOOD, OLD], [(4,), (7,)], r"^GPU 7 \(Tesla P100\): .*; start with --gpus 4, or get another"),
        ([OLD, GOOD, GOOD], [(0, 1), (2,)], r"^GPU 0 .*; start with --gpus 1,2, or"),
    ],
)
def test_one_that_fails_is_named_with_what_to_do(
    seen: list[Any], groups: list[tuple[int, ...]], sentence: str, found: Callable[..., list[Any]]
) -> None:
    found(*seen)
    with pytest.raises(EnvironmentLacks, match=sentence):
        gpus.need_gpus(groups)


def test_a_broken_import_is_named(found: Callable[..., list[Any]]) -> None:
    found(GOOD, torch=None, training="RuntimeError: operator torchvision::nms does not exist")
    with pytest.raises(
        EnvironmentLacks, match="training cannot be imported here: RuntimeError: operator torchvision"
    ):
        gpus.need_gpus([(0,)])


@pytest.mark.parametrize("seen", [[], [GOOD]])
def test_gpus_that_torch_does_not_see_are_refused(seen: list[Any], found: Callable[..., list[Any]]) -> None:
    """A worker would compute on the processor, and the record would name a GPU."""
    found(*seen)
    with pytest.raises(
        EnvironmentLacks,
        match=rf"^GPUs 0, 1 are asked for, and torch 2\.9 \(built without CUDA\) sees {len(seen)} of them",
    ):
        gpus.need_gpus([(0, 1)])
    if not seen:
        with pytest.raises(EnvironmentLacks, match=r"^GPU 3 is asked for"):
            gpus.need_gpus([(3,)])


def test_a_process_that_does_not_come_to_its_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "try_machine", lambda gpus: Trial(ended="gave no answer within 600 s"))
    with pytest.raises(
        EnvironmentLacks, match="a process that tries this machine gave no answer within 600 s"
    ):
        gpus.need_gpus([(0,)])


def test_a_single_worker_looks_too(
    found: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(GOOD, OLD)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(EnvironmentLacks, match=r"^GPU 1 .*; start with CUDA_VISIBLE_DEVICES=0, or"):
        gpus.need_own_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpus.need_own_gpus()


@pytest.mark.parametrize("command", [["submit-ablation", "--preset", "smoke"], ["up"]])
def test_sessions_are_refused_with_nothing_changed(
    command: list[str],
    found: Callable[..., list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = str(tmp_path / "home")
    monkeypatch.setattr(gpus, "visible_gpus", lambda: [0])
    found(OLD)
    if command == ["up"]:
        assert (
            cli.main(["--home", home, "submit-ablation", "--preset", "smoke", "--detach"]) == 0
        )  # works anywhere
    assert cli.main(["--home", home, *command]) == 3
    assert capsys.readouterr().err.startswith("error: GPU 0 (Tesla P100)")
    assert Path(home).exists() is (command == ["up"])


def test_where_no_gpu_is_wanted_no_tool_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert gpus.devices_of("none", 2) == gpus.Devices([], 2)
    assert not (tmp_path / "asked").exists()
    gpus.devices_of("all", 2)
    assert (tmp_path / "asked").exists()
