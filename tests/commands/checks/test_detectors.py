"""What `doctor` says of detectors that are there in part, or in another version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commands.checks.detectors import findings
from commands.checks.finding import MISSING, OK, WARNING, Finding
from detectors.grounding_dino.py_package_interpreter import PYTHON_VARIABLE
from settings.machine import ABSENT
from tests.detectors.grounding_dino.test_py_package import stand_in
from tests.detectors.grounding_dino.tiny import write_tiny_model

REVISION = "0" * 40
WHOLE = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors")


def told(name: str, weights: str | Path | None = None) -> Finding:
    [found] = [one for one in findings(None if weights is None else str(weights)) if one.name == name]
    return found


@pytest.fixture(autouse=True)
def _no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)


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
    return told("grounding_dino")


def test_a_whole_download_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_into(tmp_path, WHOLE, monkeypatch).state == OK


@pytest.mark.parametrize("missing", WHOLE)
def test_half_a_download_is_missing_and_says_what_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    found = look_into(tmp_path, tuple(name for name in WHOLE if name != missing), monkeypatch)
    assert found.state == MISSING and missing in found.detail
    assert found.remedy is not None and "hf download" in found.remedy


def test_named_weights_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    assert "doctor --weights" in str(told("grounding_dino").remedy)
    folder = write_tiny_model(tmp_path / "tiny")
    found = told("grounding_dino", folder)
    assert (found.state, found.needed) == (OK, True) and str(folder) in found.detail
    (folder / "model.safetensors").write_bytes(b"")
    found = told("grounding_dino", folder)
    assert (found.state, found.needed) == (MISSING, True) and str(folder) in found.detail


def test_official_files_need_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = told("grounding_dino .pth")
    assert found.state == MISSING and "vocab.txt" in str(found.remedy)
    snapshot = tmp_path / "models--google-bert--bert-base-uncased" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(REVISION)
    assert told("grounding_dino .pth").state == MISSING, "the repository is there, its words are not"
    (snapshot / "vocab.txt").write_text("[PAD]")
    assert told("grounding_dino .pth").state == OK
    damaged = tmp_path / "groundingdino_swint_ogc.pth"
    damaged.write_bytes(b"no checkpoint")
    found = told("grounding_dino .pth", damaged)
    assert (found.state, found.needed) == (MISSING, True) and str(damaged) in found.detail


def test_the_oracle_without_a_simulator_needs_a_file_of_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("oracle").state == OK
    monkeypatch.setattr("commands.checks.bullet.pybullet_build", lambda: ABSENT)
    found = told("oracle")
    assert found.state == WARNING and "boxes.json" in found.detail and "pybullet" in str(found.remedy)


@pytest.mark.parametrize(
    ("versions", "state", "said"),
    [
        ({}, OK, "groundingdino-py 0.4.0, transformers 4.44.2, numpy 1.26.4, torch "),
        pytest.param(
            {"groundingdino_py": "0.1.0"},
            WARNING,
            "groundingdino-py is 0.1.0, 0.4.0 was tried",
            marks=pytest.mark.trial,
        ),
        pytest.param(
            {"transformers": "4.57.0"},
            WARNING,
            "transformers is 4.57.0, 4.40 to below 4.50 was tried",
            marks=pytest.mark.trial,
        ),
        ({"numpy": "2.1.0"}, WARNING, "numpy is 2.1.0"),
    ],
)
def test_other_versions_than_those_tried_with_groundingdino_py_are_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], state: str, said: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(stand_in(tmp_path, **versions)))
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    found = told("groundingdino-py")
    assert found.state == state and said in found.detail
    assert (found.remedy is None) == (state == OK)


def test_why_groundingdino_py_does_not_work_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = stand_in(tmp_path, "class BertModel: pass", transformers="5.1.0")
    monkeypatch.setenv("PYTHONPATH", str(newer))
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    found = told("groundingdino-py")
    assert found.state == MISSING and "transformers 5.1.0" in found.detail and "BertModel." in found.detail


def test_whoever_has_no_home_folder_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers run as numbers that belong to nobody, without HOME."""

    def nobody(*_: object, **__: object) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("huggingface_hub.snapshot_download", nobody)
    assert "are not in this machine's cache" in told("grounding_dino").detail
