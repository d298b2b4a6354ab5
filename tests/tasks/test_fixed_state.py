"""What a job leaves behind in its process is gone before the next one."""

from __future__ import annotations

import locale
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tasks.fixed_state import FixedState, arithmetic, settle_libraries

STATE: dict[str, Any] = {
    "threads": torch.get_num_threads,
    "opencv threads": cv2.getNumThreads,
    "type": torch.get_default_dtype,
    "device": lambda: torch.get_default_device().type,
    "gradients": torch.is_grad_enabled,
    "deterministic": torch.get_deterministic_debug_mode,
    "precision": torch.get_float32_matmul_precision,
    "cudnn benchmark": lambda: torch.backends.cudnn.benchmark,
    "cudnn tf32": lambda: torch.backends.cudnn.allow_tf32,
    "half sums": lambda: torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
    "flash": torch.backends.cuda.flash_sdp_enabled,
    "tiny numbers": lambda: float(torch.tensor(1e-40) * 1.0),
    "torch draw": lambda: float(torch.rand(())),
    "numpy draw": lambda: float(np.random.rand()),
    "python draw": random.random,
    "opencv draw": lambda: int(cv2.randu(np.zeros(1, np.int32), 0, 1 << 30).ravel()[0]),
    "numpy errors": np.geterr,
    "numbers": lambda: locale.setlocale(locale.LC_NUMERIC),
    "folder": Path.cwd,
    "variables": lambda: (os.environ.get("MKL_CBWR"), os.environ.get("OMP_NUM_THREADS")),
}


def seen() -> dict[str, Any]:
    return {name: look() for name, look in STATE.items()}


def leave_all_changed(folder: Path) -> None:
    """What bodies and the libraries under them do to their process."""
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_deterministic_debug_mode("default")
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.set_flush_denormal(True)
    np.seterr(all="raise")
    os.chdir(folder)
    os.environ["MKL_CBWR"] = "COMPATIBLE"
    os.environ["OMP_NUM_THREADS"] = "7"
    for name in ("de_DE.UTF-8", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
            break
        except locale.Error:
            continue


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    state = FixedState()
    yield
    state.establish()


def test_a_second_job_sees_what_the_first_saw(tmp_path: Path) -> None:
    state = FixedState()
    state.establish()
    first = seen()
    leave_all_changed(tmp_path)
    assert first["threads"] == first["opencv threads"] == 1 and first["deterministic"] == 1
    state.establish()
    assert seen() == first
    state.establish(threads=2)
    assert torch.get_num_threads() == 2


def test_folders_that_are_there_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    state = FixedState()
    made: list[Path] = []
    monkeypatch.setattr(Path, "mkdir", lambda self, *_args, **_more: made.append(self))
    state.establish()
    assert made == []


def test_a_late_import_is_settled_without_a_change_of_threads() -> None:
    torch.set_num_threads(2)
    torch.set_deterministic_debug_mode("default")
    settle_libraries()
    assert torch.get_num_threads() == 2 and torch.get_deterministic_debug_mode() == 1


def test_a_working_folder_that_is_gone_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    FixedState().establish()


def test_answers_of_another_number_of_threads_have_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    one = arithmetic()
    torch.set_num_threads(2)
    two = arithmetic()
    torch.set_num_threads(1)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert len({one, two, arithmetic()}) == 3


def test_a_temporary_folder_that_was_swept_away_is_there_for_the_next_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "home" / "run" / "tmp"
    temporary.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    state = FixedState()
    shutil.rmtree(temporary.parent)
    state.establish()
    assert temporary.is_dir()
    shutil.rmtree(tmp_path / "home")
    state.establish()
    assert not (tmp_path / "home").exists(), "a home that was moved away"
