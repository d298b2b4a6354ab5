"""The state of a process that decides figures and that a job may leave behind: the same before every job.

Bodies and the libraries under them set thread counts, flags and seeds for the whole process. A job that ran before
in the same worker must not be seen in what comes out of the next one, nor the shell that a command was typed in.
"""

from __future__ import annotations

import contextlib
import json
import locale
import os
import random
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from settings.arithmetic import THREADS, deciding_variables
from settings.machine import instructions, processor, version

#: Of the generators that belong to nobody. Bodies draw from their own; what draws from these repeats all the same.
_SEED = 0


class FixedState:
    """Made when a process begins; `establish` before every job. Touches no library that is not loaded yet."""

    def __init__(self) -> None:
        self._folder = _working_folder()
        self._temporary = Path(tempfile.gettempdir())
        self._variables = deciding_variables()

    def establish(self, threads: int = THREADS) -> None:
        """Working folder, temporary folder, deciding variables, locale of numbers, seeds, and what `settle_libraries`
        sets."""
        if self._folder is not None:
            with contextlib.suppress(OSError):  # it may be gone; nothing that is planned is relative to it
                os.chdir(self._folder)
        if not self._temporary.is_dir():
            self._make_temporary()
        for name in deciding_variables().keys() - self._variables.keys():
            del os.environ[name]
        os.environ.update(self._variables)
        locale.setlocale(locale.LC_NUMERIC, "C")  # pybullet's files are read by C's own functions
        random.seed(_SEED)
        settle_libraries(threads)

    def _make_temporary(self) -> None:
        for place in (self._temporary.parent, self._temporary):
            with contextlib.suppress(OSError):  # not above: a home that is gone comes not back empty
                place.mkdir(mode=0o700, exist_ok=True)


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def arithmetic() -> str:
    """What decides the last bits of what this process computes now, for keys of results that are kept."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else ""
    threads = torch.get_num_threads() if torch is not None else THREADS
    versions = [version(name) for name in ("torch", "transformers", "numpy", "opencv-python-headless")]
    return json.dumps([gpu or processor(), instructions(), threads, versions, deciding_variables()])


def settle_libraries(threads: int | None = None) -> None:
    """Threads (None: as they are), seeds, types and flags of numpy, opencv and torch, where they are loaded."""
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(_SEED)
        numpy.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    if (cv2 := sys.modules.get("cv2")) is not None:
        cv2.setNumThreads(THREADS)
        cv2.setUseOptimized(True)
        cv2.setRNGSeed(_SEED)
    if (torch := sys.modules.get("torch")) is not None:
        _settle_torch(torch, threads)


def _settle_torch(torch: ModuleType, threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms would import the compiler too
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")
    torch.default_generator.manual_seed(_SEED)
    backends = torch.backends
    backends.cudnn.enabled, backends.cudnn.benchmark = True, False
    backends.cudnn.allow_tf32 = True  # as torch begins; NVIDIA_TF32_OVERRIDE, which is recorded, overrules it
    backends.cuda.matmul.allow_fp16_reduced_precision_reduction = True
    backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True
    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        getattr(backends.cuda, f"enable_{kind}_sdp")(True)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(_SEED)
