"""A process that does here what a worker will do first: import the bodies of jobs, and use each GPU.

`python -m tasks.machine_check [--packages]` prints one JSON object a line: `{"trying": NAME}` before each import, so
that a crash has a name, `{"package": NAME, "fault": ...}` after it, then `{"torch": WORDS}`, what torch was built for,
and `{"gpu": {...}}` for each GPU that it sees.
A broken package breaks others in ways that its version does not tell: a torchvision of another build of torch, say,
breaks `import transformers`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TypedDict

from settings.quiet_libraries import quiet_libraries

#: What no ablation runs without: (name to show, module, attribute or none).
NEEDED = (
    ("numpy", "numpy", ""),
    ("opencv", "cv2", ""),
    ("torch", "torch", ""),
    ("training", "tasks.train.run", "run"),
    ("evaluation", "tasks.evaluate.run", "run"),
)
#: What single settings need, looked at where it is installed.
OPTIONAL = (
    ("torchvision", "torchvision", ""),
    ("diffusers", "diffusers", "AutoencoderKL"),
    ("peft", "peft", ""),
    ("bitsandbytes", "bitsandbytes", ""),
)


class Trying(TypedDict):
    """What is imported, or looked at, next."""

    trying: str


class Imported(TypedDict):
    """fault: why the import fails, None where it works."""

    package: str
    fault: str | None


class TorchBuild(TypedDict):
    torch: str


class TriedGpu(TypedDict):
    """As `models.gpus.Gpu`, with its remedy."""

    index: int
    name: str
    capability: tuple[int, int]
    fault: str | None
    remedy: str
    memory_bytes: int | None


class GpuLine(TypedDict):
    gpu: TriedGpu


Line = Trying | Imported | TorchBuild | GpuLine


def check(packages: bool) -> Iterator[Line]:
    """The lines to print. packages: import what is optional too."""
    for name, module, attribute in NEEDED:
        yield {"trying": name}
        yield {"package": name, "fault": import_fault(module, attribute)}
    for name, module, attribute in OPTIONAL if packages else ():
        if find_spec(module) is not None:
            yield {"trying": name}
            yield {"package": name, "fault": import_fault(module, attribute)}
    yield {"trying": "GPUs"}
    try:
        from models.gpus import built_for, tried, visible_gpus
    except (ImportError, OSError):  # torch's own fault, told above
        return
    yield {"torch": built_for()}
    for gpu in map(tried, visible_gpus()):
        yield {
            "gpu": {
                "index": gpu.index,
                "name": gpu.name,
                "capability": gpu.capability,
                "fault": gpu.fault,
                "remedy": gpu.remedy,
                "memory_bytes": gpu.memory_bytes,
            }
        }


def import_fault(module: str, attribute: str = "") -> str | None:
    """None where the import works; else the first cause, as packages hide it behind errors of their own."""
    quiet_libraries()
    try:
        found = importlib.import_module(module)
        if attribute:
            getattr(found, attribute)
    except Exception as error:  # a broken package raises anything
        while error.__cause__ is not None or error.__context__ is not None:
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        words = str(error).strip().splitlines()
        return f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
    return None


if __name__ == "__main__":
    for line in check("--packages" in sys.argv):
        print(json.dumps(line), flush=True)
