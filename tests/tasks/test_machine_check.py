"""The process that imports what workers import: it names what is broken, even where that ends it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands.checks.trial import _read
from tasks.machine_check import import_fault


def broken(folder: Path, name: str, code: str) -> str:
    (folder / f"{name}.py").write_text(code)
    return name


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_can_be_imported_has_no_fault() -> None:
    assert import_fault("json") is None
    assert import_fault("json", "loads") is None


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "RuntimeError: operator torchvision::nms does not exist",
        ),
        (
            "raise ImportError('libGL.so.1: cannot open shared object file')",
            "ImportError: libGL.so.1: cannot open shared object file",
        ),
        (
            "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility.\\nmore')",
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility.",
        ),
        (
            """
try:
    raise OSError('libcudart.so.11: no such file')
except OSError as error:
    raise ModuleNotFoundError('see the log') from error
""",
            "OSError: libcudart.so.11: no such file",
        ),
        ("raise KeyError()", "KeyError"),
    ],
)
def test_the_first_cause_is_told(packages: Path, code: str, fault: str) -> None:
    name = broken(packages, f"broken{abs(hash(code))}", code)
    assert import_fault(name) == fault


def test_an_attribute_is_asked_for_too(packages: Path) -> None:
    name = broken(packages, "lazy", "def __getattr__(name):\n    raise ImportError('no ' + name)\n")
    assert import_fault(name, "Model") == "ImportError: no Model"


def test_a_crash_has_the_name_of_what_was_tried() -> None:
    code = "import os; print('noise'); print('{\"trying\": \"numpy\"}', flush=True); os.abort()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    trial = _read(done)
    assert trial.faults.keys() == {"numpy"}
    assert "ended with code -6 at numpy" in str(trial.faults["numpy"])
