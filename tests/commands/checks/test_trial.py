"""What is tried in a process of its own, and what `doctor` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from commands.checks import imports, science
from commands.checks.finding import MISSING, OK, WARNING
from commands.checks.trial import Trial, try_machine

OLD = {
    "name": "Tesla P100",
    "fault": "torch 2.13 has no kernels for sm_60, only for sm_75",
    "remedy": "get another",
}
GOOD = {"name": "Tesla T4", "fault": None, "remedy": "get another"}


def test_the_process_tells_of_this_machine() -> None:
    told = try_machine()
    assert told.ended is None
    assert told.faults == {"numpy": None, "opencv": None, "torch": None, "training": None, "evaluation": None}
    assert told.torch.startswith(f"{torch.__version__} (built ")
    assert len(told.gpus) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


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
