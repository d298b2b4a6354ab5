"""Sessions and workers on GPUs that cannot be used are refused before they start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from commands.checks import imports, science, trial
from commands.checks.finding import MISSING, OK, WARNING
from commands.checks.trial import Trial, check_gpus, check_own_gpus, try_machine
from errors import EnvironmentLacks

OLD = {
    "name": "Tesla P100",
    "fault": "torch 2.13 has no kernels for sm_60, only for sm_75",
    "remedy": "get another",
}
GOOD = {"name": "Tesla T4", "fault": None, "remedy": "get another"}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Have the machine be found so; returns the calls."""

    def given(*gpus: dict[str, Any], **faults: str | None) -> list[Any]:
        calls: list[Any] = []

        def answer(packages: bool = False, gpus_: tuple[int, ...] | None = None, **more: Any) -> Trial:
            calls.append(more.get("gpus", gpus_))
            return Trial(faults, [{"index": index, **gpu} for index, gpu in enumerate(gpus)])

        monkeypatch.setattr(trial, "try_machine", answer)
        return calls

    return given


def test_without_gpus_nothing_is_tried(found: Callable[..., list[Any]]) -> None:
    calls = found(OLD)
    check_gpus([])
    assert calls == []


def test_good_gpus_pass(found: Callable[..., list[Any]]) -> None:
    calls = found(GOOD, GOOD, torch=None)
    check_gpus([(2,), (3,)])
    assert calls == [(2, 3)]


@pytest.mark.parametrize(
    ("gpus", "groups", "sentence"),
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
    gpus: list[Any], groups: list[tuple[int, ...]], sentence: str, found: Callable[..., list[Any]]
) -> None:
    found(*gpus)
    with pytest.raises(EnvironmentLacks, match=sentence):
        check_gpus(groups)


def test_a_broken_import_is_named(found: Callable[..., list[Any]]) -> None:
    found(GOOD, torch=None, training="RuntimeError: operator torchvision::nms does not exist")
    with pytest.raises(
        EnvironmentLacks, match="training cannot be imported here: RuntimeError: operator torchvision"
    ):
        check_gpus([(0,)])


def test_a_torch_that_sees_none_is_told(
    found: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    found()
    check_gpus([(0,)])
    assert "warning: torch sees no GPU here" in capsys.readouterr().err


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
        check_own_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    check_own_gpus()


@pytest.mark.parametrize("command", [["submit-ablation", "--preset", "smoke"], ["up"]])
def test_sessions_are_refused_with_nothing_changed(
    command: list[str],
    found: Callable[..., list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = str(tmp_path / "home")
    monkeypatch.setattr("commands.gpus.visible_gpus", lambda: [0])
    monkeypatch.setattr("commands.gpus._ASK_TORCH", "print('2.13 12.8 1')")  # it sees the GPU
    found(OLD)
    if command == ["up"]:
        assert (
            cli.main(["--home", home, "submit-ablation", "--preset", "smoke", "--detach"]) == 0
        )  # works anywhere
    assert cli.main(["--home", home, *command]) == 3
    assert capsys.readouterr().err.startswith("error: GPU 0 (Tesla P100)")
    assert Path(home).exists() is (command == ["up"])


def test_the_process_tells_of_this_machine() -> None:
    told = try_machine()
    assert told.ended is None
    assert told.faults == {"numpy": None, "opencv": None, "torch": None, "training": None, "evaluation": None}


def test_a_torchvision_of_another_build_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As transformers finds it: by name and version, and then the import fails."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    about = tmp_path / "torchvision-0.15.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.15.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    try_machine.cache_clear()
    try:
        told = try_machine()
    finally:
        try_machine.cache_clear()
    assert "torchvision::nms does not exist" in str(told.faults["training"])


def test_findings_of_doctor() -> None:
    (fine,) = imports.told(Trial({"numpy": None, "torch": None}, [{"index": 0, **GOOD}]))
    assert (fine.state, fine.detail) == (OK, "numpy, torch can be imported")
    faults = {
        "training": "ImportError: x",
        "torchvision": "ImportError: y",
        "numpy": None,
        "peft": "a line of its own",
    }
    needed, optional, gpu = imports.told(Trial(faults, [{"index": 0, **GOOD}, {"index": 1, **OLD}]))
    assert (needed.state, needed.needed, optional.state, optional.needed) == (MISSING, True, WARNING, False)
    assert (gpu.name, gpu.state, gpu.remedy) == ("GPU 1", WARNING, "get another")
    assert optional.name == "torchvision"
    (ended,) = imports.told(Trial(ended="gave no answer within 600 s"))
    assert ended.needed and ended.state == MISSING


def test_an_extra_that_cannot_be_imported_is_no_fine_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.checks.science.version_of", lambda name: "1.2.3")
    broken = Trial({"peft": "RuntimeError: operator torchvision::nms does not exist"})
    monkeypatch.setattr("commands.checks.science.try_machine", lambda packages: broken)
    told = {finding.name: finding for finding in science._models()}
    assert (told["peft"].state, told["diffusers"].state) == (WARNING, OK)
    assert "1.2.3 cannot be imported: RuntimeError: operator torchvision" in told["peft"].detail
