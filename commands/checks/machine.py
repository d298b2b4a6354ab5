"""Python, cores, memory, disk and GPUs of this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection

from commands.checks.finding import MISSING, OK, WARNING, Finding
from settings import given
from settings.gpus import ORDER, TOOL_SECONDS, VISIBLE, entries, gpus
from settings.home import Home
from settings.installing import pip_install
from settings.tool import ask_tool
from settings.typed import typed

#: The default ablation ("quick") writes well under this; CALVIN runs want far more.
_DISK_GIB = 5.0
_MEMORY_GIB = 4.0
_GIB = 2**30


def findings(home: Home) -> list[Finding]:
    return [_python(), _cores(), _memory(home), _disk(home), *_gpus(), _torch()]


def _python() -> Finding:
    version = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 12):
        return Finding("machine", "Python", OK, version)
    return Finding("machine", "Python", WARNING, version, "use Python 3.10, 3.11 or 3.12")


def _cores() -> Finding:
    cores = given.cores()
    return Finding(
        "machine", "CPU cores", OK, f"{cores.count} usable of {cores.machine}{_because(cores.why)}"
    )


def _memory(home: Home) -> Finding:
    memory = given.memory()
    total, available = memory.total / _GIB, memory.available / _GIB
    detail = f"{available:.1f} GiB available of {total:.1f}{_because(memory.why)}"
    if available >= _MEMORY_GIB:
        return Finding("machine", "memory", OK, detail)
    fewer = typed("up --until-done --cpus 1", home)
    return Finding("machine", "memory", WARNING, detail, f"use fewer workers: {fewer}")


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _disk(home: Home) -> Finding:
    """Free space where the home is or would be, and whether this user can work there."""
    refused = home.obstacle()
    if refused is not None:
        sentence, _, remedy = str(refused).rpartition("; ")
        return Finding("machine", "disk", MISSING, sentence, remedy, needed=True)
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = shutil.disk_usage(place).free / _GIB
    detail = f"{free:.1f} GiB free at {home.root}"
    if free >= _DISK_GIB:
        return Finding("machine", "disk", OK, detail)
    return Finding("machine", "disk", WARNING, detail, "name a larger disk with --home or BATON_HOME")


def _gpus() -> list[Finding]:
    if shutil.which("nvidia-smi") is None:
        remedy = "none is needed; for one, install NVIDIA's driver"
        return [Finding("machine", "GPU", MISSING, "no nvidia-smi: everything runs on the CPU", remedy)]
    remedy = "reinstall or reload NVIDIA's driver"
    try:
        listed = ask_tool(
            ["nvidia-smi", "--query-gpu=index,name,memory.total,driver_version", "--format=csv,noheader"],
            TOOL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        detail = f"nvidia-smi does not answer within {TOOL_SECONDS:g} s"
        return [Finding("machine", "GPU", WARNING, detail, f"{remedy}, or restart the machine")]
    except OSError as error:
        return [Finding("machine", "GPU", WARNING, f"nvidia-smi does not run: {error.strerror}", remedy)]
    words = (listed.stderr or listed.stdout).strip().splitlines()
    if listed.returncode != 0:
        detail = f"nvidia-smi fails: {words[0] if words else listed.returncode}"
        return [Finding("machine", "GPU", WARNING, detail, remedy)]
    rows = [[part.strip() for part in line.split(",")] for line in listed.stdout.splitlines()]
    found = [
        Finding("machine", f"GPU {row[0]}", OK, f"{', '.join(row[1:-1])}, driver {row[-1]}")
        for row in rows
        if len(row) >= 4 and row[0].isdigit()
    ]
    if found:
        return found + _left_alone({row[1] for row in rows if len(row) >= 4})
    detail = f"nvidia-smi names no GPU: {words[0]}" if words else "nvidia-smi names no GPU"
    return [Finding("machine", "GPU", WARNING, detail, f"none is needed; for one, {remedy}")]


def _left_alone(models: Collection[str]) -> list[Finding]:
    """Which of the GPUs that nvidia-smi shows this process may use, where not all. models: names of those shown."""
    found = gpus()
    if found.trouble and found.said:
        remedy = f"name each GPU once, as nvidia-smi -L shows them, or unset {found.said.partition('=')[0]}"
        return [Finding("machine", "GPUs given", WARNING, f"{found.said}: {found.trouble}", remedy)]
    if not found.said:
        return []
    names = ", ".join(gpu.name for gpu in found.gpus) or "none"
    by_number = any(gpu.name.isdigit() for gpu in found.gpus) and found.said.startswith(VISIBLE)
    if by_number and len(models) > 1 and os.environ.get(ORDER) != "PCI_BUS_ID":
        detail = f"{names} ({found.said}), as CUDA counts, from the fastest; nvidia-smi counts by bus"
        return [
            Finding("machine", "GPUs given", WARNING, detail, f"set {ORDER}=PCI_BUS_ID to have one count")
        ]
    return [Finding("machine", "GPUs given", OK, f"{names} ({found.said})")]


def _torch() -> Finding:
    try:
        import torch

        from models.gpus import visible_gpus
    except (ImportError, OSError) as error:  # OSError: a library of CUDA's that does not load
        remedy = pip_install("torch>=2.6,<3")
        return Finding("machine", "torch", MISSING, str(error), remedy, needed=True)
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    detail = f"{torch.__version__}, built for {build}"
    # A list that is empty, or begins with what is no GPU, is how GPUs are hidden.
    hidden = VISIBLE in os.environ and not entries(os.environ[VISIBLE])[0]
    if shutil.which("nvidia-smi") and not hidden and not torch.cuda.is_available():
        remedy = "install a torch build for this driver's CUDA version (see pytorch.org, Get Started)"
        return Finding("machine", "torch", WARNING, f"{detail}; it sees no GPU", remedy)
    faulty = [gpu for gpu in visible_gpus() if gpu.fault is not None]
    if faulty:
        told = "; ".join(f"GPU {gpu.index} ({gpu.name}): {gpu.fault}" for gpu in faulty)
        return Finding("machine", "torch", WARNING, f"{detail}; {told}", faulty[0].remedy)
    return Finding("machine", "torch", OK, detail)
