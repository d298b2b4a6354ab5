"""Environment variables that decide the last bits of a sum: how many threads, which instructions, which kernels.

Libraries read them once, when they are loaded, so they are set before anything is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from functools import lru_cache

#: Threads of work that names no number, whatever the machine has: `training.threads` and `evaluation.threads` name one.
THREADS = 1

#: How many threads a library begins with. Never taken from the shell; jobs that name a number set it in the process.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)

#: Further ones that the shell may have set: recorded with every attempt, and set again by an audit.
_FAMILIES = (
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "NVPL_", "NUMEXPR_", "NPY_",
    "ATEN_", "TORCH_", "PYTORCH_", "DNNL_", "ONEDNN_", "XNNPACK_", "OPENCV_", "JSIMD_", "GLIBC_TUNABLES",
    "CUBLAS_", "CUBLASLT_", "CUDNN_", "NVIDIA_TF32_", "BNB_", "LIBGL_", "MESA_", "GALLIUM_", "LP_", "EGL_",
)  # fmt: skip

#: Of those names, what says where files lie, what is printed, or which of one machine's devices draws.
_NO_ARITHMETIC = frozenset({"TORCH_HOME", "TORCH_EXTENSIONS_DIR", "TORCH_LOGS", "OMP_DISPLAY_ENV", "MKL_VERBOSE",
                            "DNNL_VERBOSE", "ONEDNN_VERBOSE", "OPENCV_LOG_LEVEL", "EGL_VISIBLE_DEVICES"})  # fmt: skip

#: Words of names that say where something lies, is loaded from or written to, also without a "/".
_OF_PLACES = frozenset({"PATH", "PATHS", "DIR", "FILE", "FILENAME", "LIBRARY", "LIBRARIES", "TOOL", "DUMP", "TRACE",
                        "CAPTURE", "LOG", "LOGS", "PROFILE"})  # fmt: skip

#: What every process of Baton has. With this workspace matrix products of cuBLAS repeat bit for bit.
FIXED_VARIABLES = {**dict.fromkeys(THREAD_VARIABLES, str(THREADS)), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def fix_variables(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have every library that is loaded from now on begin with THREADS threads, whatever the shell says."""
    environment.update(FIXED_VARIABLES)


def deciding_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Those that are set, by name."""
    if environment is os.environ:  # asked twice for each job: most names are passed by as they are kept
        return {
            name: os.environ[name] for name in sorted(map(os.fsdecode, filter(_decides_kept, os.environb)))
        }
    return {name: environment[name] for name in sorted(filter(_decides, environment))}


def with_variables(environment: Mapping[str, str], variables: Mapping[str, object]) -> dict[str, str]:
    """`environment` with these and no other deciding variables.

    variables: as somebody recorded them, perhaps a stranger. What decides no arithmetic is not set, nor what names a
    place in the file system: a library may be loaded from there.
    """
    kept = {name: text for name, text in environment.items() if not _decides(name)}
    return kept | {
        name: text
        for name, text in variables.items()
        if isinstance(text, str) and _decides(name) and _is_harmless(name, text)
    }


def _is_harmless(name: str, text: str) -> bool:
    is_plain = (
        name.isascii()
        and name.isidentifier()
        and name.isupper()
        and name[0] != "_"
        and text.isprintable()
        and "/" not in text
    )
    return bool(is_plain) and not _OF_PLACES & set(name.split("_"))


@lru_cache(maxsize=1024)
def _decides(name: str) -> bool:
    return name.startswith(_FAMILIES) and name not in _NO_ARITHMETIC


@lru_cache(maxsize=1024)
def _decides_kept(name: bytes) -> bool:
    return _decides(os.fsdecode(name))
