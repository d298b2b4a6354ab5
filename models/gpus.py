"""Whether this torch has code for the GPUs of this machine: one without kernels fails at its first product.

A build names what it carries in `torch.cuda.get_arch_list()`: `sm_80` is code for GPUs of 8.0 and, within major version
8, for newer ones; `compute_80` is PTX, which the driver translates for 8.0 and everything newer. With `a` at the end
code is for that very GPU, with `f` for its family (CUDA C++ Programming Guide, Compute Capabilities).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from settings.shown import first_line

#: Integrated GPUs (Jetson, Drive): code for others of their major version is not for them, nor theirs for others.
_INTEGRATED = frozenset({(5, 3), (6, 2), (7, 2), (8, 7), (10, 1)})
#: Builds for later CUDA have nothing for GPUs before 7.5 (PYTORCH_RELEASES_CODE_CC in torch/cuda/__init__.py).
_LAST_FOR_OLD, _OLD = "CUDA 12.6", (7, 5)


@dataclass(frozen=True)
class Gpu:
    """`index` among those that this process sees. fault: why torch cannot use it, None where it can. memory_bytes: what
    it has in all, None where it was not tried."""

    index: int
    name: str
    capability: tuple[int, int]
    fault: str | None
    memory_bytes: int | None = None

    @property
    def remedy(self) -> str:
        build = _LAST_FOR_OLD if self.capability < _OLD else "a newer CUDA"
        return f"choose another GPU, or install a torch built for {build} (pytorch.org, Get Started)"


def built_for() -> str:
    """This torch in words: `2.13.0 (built for CUDA 12.8)`."""
    cuda, rocm = torch.version.cuda, torch.version.hip
    build = f"for CUDA {cuda}" if cuda else f"for ROCm {rocm}" if rocm else "without CUDA"
    return f"{torch.__version__} (built {build})"


def visible_gpus() -> list[Gpu]:
    """Every GPU that this process sees, each judged by what torch was built for; nothing runs on them."""
    if not torch.cuda.is_available():
        return []
    return [_look_at(index, torch.cuda.get_arch_list()) for index in range(torch.cuda.device_count())]


def tried(gpu: Gpu) -> Gpu:
    """`gpu` after a sum on it, which takes some of its memory and starts CUDA in this process."""
    if gpu.fault is not None or not torch.backends.cuda.is_built():
        return gpu
    try:
        device = torch.device("cuda", gpu.index)
        total = float((torch.ones(8, device=device) @ torch.ones(8, device=device)).item())
    except RuntimeError as error:  # torch's errors of CUDA are RuntimeErrors
        failed = f"torch {torch.__version__} fails on it: {first_line(error)}"
        return replace(gpu, fault=failed)
    fault = None if total == 8.0 else f"torch {torch.__version__} computes 8 as {total:g} on it"
    return replace(gpu, fault=fault, memory_bytes=torch.cuda.get_device_properties(gpu.index).total_memory)


def runs_on(capability: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Whether a build runs on a GPU of this compute capability. One that names nothing (ROCm) is not judged."""
    return not built_for or any(_covers(entry, capability) for entry in built_for)


def _look_at(index: int, built_for: Sequence[str]) -> Gpu:
    name, capability = _name(index), torch.cuda.get_device_capability(index)
    if torch.version.hip is not None or runs_on(capability, built_for):
        return Gpu(index, name, capability, None)
    major, minor = capability
    fault = f"torch {torch.__version__} has no kernels for sm_{major}{minor}, only for {', '.join(built_for)}"
    return Gpu(index, name, capability, fault)


def _name(index: int) -> str:
    try:
        return torch.cuda.get_device_name(index)
    except (RuntimeError, AssertionError):
        return "GPU"


def _covers(entry: str, capability: tuple[int, int]) -> bool:
    found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", entry)
    if found is None:
        return False
    kind, major, minor, special = found[1], int(found[2]), int(found[3]), found[4]
    own = (major, minor)
    if special == "a" or capability == own:
        return capability == own
    if kind == "compute" and not special:
        return capability > own
    if own in _INTEGRATED or capability in _INTEGRATED:
        return own == (10, 1) and capability == (11, 0)  # the same GPU under its later number
    return capability[0] == major and capability[1] > minor
