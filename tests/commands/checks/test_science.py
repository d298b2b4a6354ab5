"""What `doctor` says of detectors that are there in part, or in another version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commands.checks.finding import MISSING, OK, WARNING, Finding
from commands.checks.science import _grounding_dino, _groundingdino_py
from detectors.groundingdino_py import PYTHON_VARIABLE, TRIED_VERSION

REVISION = "0" * 40
WHOLE = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors")


def look_into(hub: Path, files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What is said of a hub cache in which these files have arrived."""
    repository = hub / "models--IDEA-Research--grounding-dino-tiny"
    snapshot = repository / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    for name in files:
        (snapshot / name).write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    return _grounding_dino()


def test_a_whole_download_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_into(tmp_path, WHOLE, monkeypatch).state == OK


@pytest.mark.parametrize("missing", WHOLE)
def test_half_a_download_is_missing_and_says_what_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    found = look_into(tmp_path, tuple(name for name in WHOLE if name != missing), monkeypatch)
    assert found.state == MISSING and missing in found.detail
    assert found.remedy is not None and "hf download" in found.remedy


@pytest.mark.parametrize(("version", "state"), [(TRIED_VERSION, OK), ("0.1.0", WARNING)])
def test_another_version_of_groundingdino_py_is_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    for part in (
        "groundingdino/__init__.py",
        "groundingdino/util/__init__.py",
        "groundingdino/util/inference.py",
    ):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).touch()
    about = tmp_path / f"groundingdino_py-{version}.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.1\nName: groundingdino-py\nVersion: {version}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    found = _groundingdino_py()
    assert found.state == state and version in found.detail
    assert (found.remedy is None) == (state == OK)
