"""Variables that decide arithmetic: fixed ones for every process, the others recorded and set again."""

from __future__ import annotations

from typing import Any

import pytest

from settings.arithmetic import FIXED_VARIABLES, _decides, deciding_variables, fix_variables, with_variables


def test_the_shell_decides_no_thread_count() -> None:
    environment = {
        "OMP_NUM_THREADS": "4,1",
        "MKL_NUM_THREADS": "",
        "OPENBLAS_NUM_THREADS": "64",
        "HOME": "/root",
    }
    fix_variables(environment)
    assert environment == {**FIXED_VARIABLES, "HOME": "/root"}
    assert FIXED_VARIABLES["OMP_NUM_THREADS"] == FIXED_VARIABLES["OPENBLAS_NUM_THREADS"] == "1"


def test_what_decides_is_told_and_what_only_prints_is_not() -> None:
    environment = {
        "MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default", "NVIDIA_TF32_OVERRIDE": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_VERBOSE": "1", "TORCH_HOME": "/models", "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "secret", "CUDA_VISIBLE_DEVICES": "0",
    }  # fmt: skip
    assert deciding_variables(environment) == {
        "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "NVIDIA_TF32_OVERRIDE": "0",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    }  # fmt: skip


def test_a_name_is_judged_once() -> None:
    """All variables of the process are asked about before every job."""
    deciding_variables({"MKL_CBWR": "AVX2"})
    judged = _decides.cache_info().misses
    assert deciding_variables({"MKL_CBWR": "COMPATIBLE"}) == {"MKL_CBWR": "COMPATIBLE"}
    assert _decides.cache_info().misses == judged


def test_surroundings_have_the_given_variables_and_no_other_deciding_one() -> None:
    environment = {"PATH": "/bin", "MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "8"}
    assert with_variables(environment, {"OMP_NUM_THREADS": "1"}) == {"PATH": "/bin", "OMP_NUM_THREADS": "1"}


def test_a_record_sets_nothing_that_would_load_code() -> None:
    """An attempt's record may have come in a stranger's bundle."""
    recorded = {"LD_PRELOAD": "x.so", "PYTHONPATH": "x", "LIBGL_DRIVERS_PATH": "/tmp/x", "MKL_CBWR": "AVX2"}
    assert with_variables({"PATH": "/bin"}, recorded) == {"PATH": "/bin", "MKL_CBWR": "AVX2"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LIBGL_DRIVERS_PATH", "."),
        ("OMP_TOOL_LIBRARIES", "x.so"),
        ("OMP_TOOL", "enabled"),
        ("MESA_LOG_FILE", "x"),
        ("MESA_SHADER_CAPTURE_PATH", "x"),
        ("GALLIUM_LOG_FILE", "x"),
        ("ONEDNN_JIT_DUMP", "1"),
        ("EGL_LOG_LEVEL", "debug"),
        ("MKL_CBWR", "a\0b"),
        ("MKL_CBWR", "a\nb"),
        ("MKL_CBWR", 3),
        ("MKL_CBWR", ["AVX2"]),
        ("MKL_A=B", "x"),
        ("MKL_\0", "x"),
        ("OMP_ x", "x"),
    ],
)
def test_what_a_stranger_recorded_names_no_place(name: str, text: Any) -> None:
    """Relative names too, and nothing that a process cannot be started with."""
    assert with_variables({"PATH": "/bin"}, {name: text}) == {"PATH": "/bin"}
