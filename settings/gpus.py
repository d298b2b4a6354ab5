"""Which NVIDIA GPUs this process was given, told without importing torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from settings.faults import need_fact
from settings.tool import ask_tool
from settings.whole_numbers import whole_number

#: CUDA's own list of the GPUs that a process may see.
VISIBLE = "CUDA_VISIBLE_DEVICES"

#: How CUDA counts: from the fastest, unless this says PCI_BUS_ID, as nvidia-smi counts.
ORDER = "CUDA_DEVICE_ORDER"

#: Longest wait for a tool that names GPUs; with driver persistence off and eight GPUs it takes some ten seconds.
TOOL_SECONDS = 15.0


@dataclass(frozen=True)
class Gpu:
    """number: what people call it. name: what CUDA calls it; an entry of the user's list where there is one."""

    number: int
    name: str


@dataclass(frozen=True)
class Given:
    """gpus: those given, in the user's order. machine: nvidia-smi's numbers of all that it names, if it was asked.
    said: the variable that chose among them, empty where none did. trouble: what is wrong, in words. twice: whether
    that is a list which names a GPU twice.
    """

    gpus: tuple[Gpu, ...]
    machine: tuple[int, ...]
    said: str = ""
    trouble: str = ""
    twice: bool = False


def gpus() -> Given:
    """Numbers are those of the user's list; where that names GPUs by UUID, nvidia-smi's; MIG devices by their place
    in the list. As for CUDA, a list ends before an entry that is no GPU of this machine, and has none where one is
    named twice. A machine whose nvidia-smi cannot be asked has none; where the list is empty it is not asked.
    """
    visible = os.environ.get(VISIBLE)
    if visible is not None and not entries(visible)[0]:
        return _by_list(visible, {})
    try:
        listed = _listed()
    except ToolFails as fault:
        return Given((), (), trouble=f"{fault}, so no GPU is used")
    machine = tuple(listed)
    if visible is not None:
        return _by_list(visible, listed)
    given = _by_slurm(machine)
    return given or Given(tuple(Gpu(number, str(number)) for number in machine), machine)


def only(names: Sequence[int | str]) -> dict[str, str]:
    """The variables that show a process these GPUs alone. Where the user has no list, they are nvidia-smi's numbers;
    where he has one, they are its entries, which mean what they mean to CUDA as he set it up.
    """
    order = {} if VISIBLE in os.environ else {ORDER: "PCI_BUS_ID"}
    return {**order, VISIBLE: ",".join(map(str, names))}


def entries(text: str) -> tuple[list[str], str]:
    """What CUDA reads of such a list, and what it ignores from the first entry on that is not like those before:
    numbers, `GPU-` and the beginning of a UUID, or names of MIG devices.
    """
    parts = [part.strip() for part in text.split(",")]
    kind = next((kind for kind in ("GPU-", "MIG-") if parts[0].startswith(kind)), "")
    found: list[str] = []
    for position, part in enumerate(parts):
        number = re.match(r"\+?([0-9]+)", part)
        if kind and part.startswith(kind) and len(part) > len(kind):
            found.append(part)
        elif not kind and number is not None:
            found.append(str(int(number[1])))
        else:
            return found, ",".join(parts[position:])
    return found, ""


def _by_list(text: str, listed: Mapping[int, str]) -> Given:
    named, ignored = entries(text)
    chosen: list[Gpu] = []
    units = _mig_devices() if named and named[0].startswith("MIG-") and listed else []
    for position, entry in enumerate(named):
        fits = [number for number, uuid in listed.items() if _is_named(entry, number, uuid)]
        if entry.startswith("MIG-") and listed:
            fits = [position] if not units or any(unit.startswith(entry) for unit in units) else []
        if (
            len(fits) != 1
        ):  # none, or the beginning of several UUIDs: CUDA ignores this entry and all after it
            ignored = ",".join([*named[position:], *filter(None, [ignored])])
            break
        chosen.append(Gpu(fits[0], entry))
    said, machine = f"{VISIBLE}={text}", tuple(listed)
    twice = [gpu.name for gpu in chosen if [each.number for each in chosen].count(gpu.number) > 1]
    twice = twice or [entry for entry in named if named.count(entry) > 1]
    if twice:
        return Given((), machine, said, f"names {twice[-1]} twice, and CUDA then shows no GPU at all", True)
    if ignored and listed and not re.match(r"-|$|NoDevFiles$", ignored):
        trouble = f"CUDA ignores {ignored}, as no GPU of this machine is called {ignored.partition(',')[0]}"
        return Given(tuple(chosen), machine, said, trouble)
    return Given(tuple(chosen), machine, said)


def _by_slurm(machine: Sequence[int]) -> Given | None:
    """Where no list was made although SLURM gave some of the GPUs that can be seen, its numbers are the list."""
    for variable in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        parts = [whole_number(part.strip()) for part in os.environ.get(variable, "").split(",")]
        numbers = [part for part in parts if part is not None]
        # As many as can be seen: the cluster hides the others, and counts these anew.
        if numbers and len(machine) > len(numbers) and set(numbers) <= set(machine):
            said = f"{variable}={os.environ[variable]}"
            return Given(tuple(Gpu(number, str(number)) for number in numbers), tuple(machine), said)
    return None


def _is_named(entry: str, number: int, uuid: str) -> bool:
    return entry == str(number) or (entry.startswith("GPU-") and uuid.startswith(entry))


def _listed() -> dict[int, str]:
    """number -> UUID or empty. A tool that answers in words lists nothing. Raises ToolFails."""
    found = {}
    for line in ask_nvidia_smi("--query-gpu=index,uuid", "--format=csv,noheader"):
        named = re.fullmatch(r"\s*(\d+)\s*(?:,\s*(\S+)\s*)?", line)
        if named is not None:
            found[int(named[1])] = named[2] or ""
    return found


def _mig_devices() -> list[str]:
    """Names of the parts that GPUs are divided into; none where nvidia-smi does not tell, and torch has to."""
    try:
        lines = ask_nvidia_smi("-L")
    except ToolFails:
        return []
    return [unit[1] for line in lines if (unit := re.search(r"UUID:\s*(MIG-[^)\s]+)", line)) is not None]


def ask_nvidia_smi(*words: str) -> list[str]:
    """Lines that nvidia-smi prints; none where there is no such tool. Raises ToolFails."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        told = ask_tool(["nvidia-smi", *words], TOOL_SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolFails(f"nvidia-smi does not answer within {TOOL_SECONDS:g} s") from None
    except OSError as error:
        need_fact(error)
        raise ToolFails(f"nvidia-smi does not run: {error.strerror}") from None
    if told.returncode != 0:
        said = (told.stderr or told.stdout).strip().splitlines()
        raise ToolFails(f"nvidia-smi fails: {said[0] if said else told.returncode}")
    return told.stdout.splitlines()


class ToolFails(Exception):
    """In words."""
