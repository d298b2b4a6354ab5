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
from settings import given
from settings.gpus import Given, Gpu
from workers.supervisor import Devices


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, 0, 1, 2, 3)
    monkeypatch.setattr(given, "cores", lambda: given.Cores(6, 64, ""))
    monkeypatch.setattr(given, "memory", lambda: given.Memory(64 * 2**30, 0, ""))


def have(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """A machine with these GPUs, all given."""
    found = Given(tuple(Gpu(number, str(number)) for number in numbers), numbers)
    monkeypatch.setattr(gpus, "given_gpus", lambda: found)


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
    assert [group for (group,) in gpus.devices_of(None, 1).gpus] == found


@pytest.mark.parametrize("visible", ["", "1", "-1"])
def test_a_hidden_gpu_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(EnvironmentLacks, match=f"CUDA_VISIBLE_DEVICES={visible} hides GPU 0"):
        gpus.devices_of("0", None)


def test_entries_of_the_users_list_are_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb,GPU-aaaa-1")
    devices = gpus.devices_of(None, 1)
    assert (list(devices.gpus), devices.named([1, 0])) == ([(1,), (0,)], ["GPU-bbbb", "GPU-aaaa-1"])
    assert gpus.devices_of("0", 1).named([0]) == ["GPU-aaaa-1"]
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb,GPU-cccc")
    with pytest.raises(EnvironmentLacks, match="CUDA_VISIBLE_DEVICES=GPU-bbbb,GPU-cccc hides GPU 0"):
        gpus.devices_of("0+1", 1)
    assert "CUDA ignores GPU-cccc" in capsys.readouterr().err
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,1")
    with pytest.raises(InvalidInput, match="CUDA_VISIBLE_DEVICES=1,1 names 1 twice"):
        gpus.devices_of(None, 1)
    assert gpus.devices_of("none", 1).gpus == []


@pytest.mark.parametrize("visible", ["GPU-aaaa", "MIG-1111", "1"])
def test_a_list_is_kept_to_where_nobody_says_which_gpus_it_names(
    visible: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_nvidia_smi(tmp_path, monkeypatch, "exit 9")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(EnvironmentLacks, match=f"CUDA_VISIBLE_DEVICES={visible} hides GPU 0"):
        gpus.devices_of("0", 1)


def test_cpu_workers_find_memory(four_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter with torch takes half a GiB, and a job the rest of one."""
    monkeypatch.setattr(given, "memory", lambda: given.Memory(3 * 2**30, 0, ""))
    assert gpus.devices_of("none", None).cpus == 3
    assert gpus.devices_of("0+1", None).cpus == 2
    assert gpus.devices_of("all", None).cpus == 1
    assert gpus.devices_of("none", 6).cpus == 6, "who names a number gets it"


def test_mig_devices_are_tried_one_by_one(
    found: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA shows a process one of them."""
    names = {0: "MIG-1111", 1: "MIG-2222"}
    calls = found(GOOD)
    gpus.need_gpus(Devices([(0,), (1,)], 1, names))
    assert calls == [("MIG-1111",), ("MIG-2222",)]
    given_two = Given(
        tuple(Gpu(number, name) for number, name in names.items()), (0,), "CUDA_VISIBLE_DEVICES=x"
    )
    monkeypatch.setattr(gpus, "given_gpus", lambda: given_two)
    assert list(gpus.devices_of(None, 1).gpus) == [(0,), (1,)]
    with pytest.raises(InvalidInput, match="a process sees one MIG device"):
        gpus.devices_of("0+1", 1)


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

        def answer(gpus: tuple[str, ...] | None = None) -> Trial:
            calls.append(gpus)
            return Trial(faults, [{"index": index, **gpu} for index, gpu in enumerate(seen)], torch=TORCH)

        monkeypatch.setattr(gpus, "try_machine", answer)
        return calls

    return given


def test_without_gpus_nothing_is_tried(found: Callable[..., list[Any]]) -> None:
    calls = found(OLD)
    gpus.need_gpus(Devices([], 1))
    assert calls == []


def test_good_gpus_pass(found: Callable[..., list[Any]]) -> None:
    calls = found(GOOD, GOOD, torch=None)
    gpus.need_gpus(Devices([(2,), (3,)], 1))
    assert calls == [("2", "3")]


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
        gpus.need_gpus(Devices(groups, 1))


def test_a_broken_import_is_named(found: Callable[..., list[Any]]) -> None:
    found(GOOD, torch=None, training="RuntimeError: operator torchvision::nms does not exist")
    with pytest.raises(
        EnvironmentLacks, match="training cannot be imported here: RuntimeError: operator torchvision"
    ):
        gpus.need_gpus(Devices([(0,)], 1))


@pytest.mark.parametrize("seen", [[], [GOOD]])
def test_gpus_that_torch_does_not_see_are_refused(seen: list[Any], found: Callable[..., list[Any]]) -> None:
    """A worker would compute on the processor, and the record would name a GPU."""
    found(*seen)
    with pytest.raises(
        EnvironmentLacks,
        match=rf"^GPUs 0, 1 are asked for, and torch 2\.9 \(built without CUDA\) sees {len(seen)} of them",
    ):
        gpus.need_gpus(Devices([(0, 1)], 1))
    if not seen:
        with pytest.raises(EnvironmentLacks, match=r"^GPU 3 is asked for"):
            gpus.need_gpus(Devices([(3,)], 1))


def test_a_process_that_does_not_come_to_its_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "try_machine", lambda gpus: Trial(ended="gave no answer within 600 s"))
    with pytest.raises(
        EnvironmentLacks, match="a process that tries this machine gave no answer within 600 s"
    ):
        gpus.need_gpus(Devices([(0,)], 1))


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
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-x")
    with pytest.raises(EnvironmentLacks, match=r"^GPU 1 .*; start with CUDA_VISIBLE_DEVICES=5, or"):
        gpus.need_own_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    with pytest.raises(EnvironmentLacks, match=r"^GPU 3 .*; start with CUDA_VISIBLE_DEVICES=5, or"):
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
    have(monkeypatch, 0)
    found(OLD)
    if command == ["up"]:
        assert (
            cli.main(["--home", home, "submit-ablation", "--preset", "smoke", "--detach"]) == 0
        )  # works anywhere
        capsys.readouterr()
    assert cli.main(["--home", home, *command]) == 3
    assert capsys.readouterr().err.startswith("error: GPU 0 (Tesla P100)")
    assert Path(home).exists() is (command == ["up"])


def test_where_no_gpu_is_wanted_no_tool_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert gpus.devices_of("none", 2) == Devices([], 2)
    assert not (tmp_path / "asked").exists()
    gpus.devices_of("all", 2)
    assert (tmp_path / "asked").exists()
