"""Which devices the workers of a session get, and whether torch can compute on them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from commands.checks.tool import ask_tool
from commands.checks.trial import Trial, try_machine
from errors import EnvironmentLacks, InvalidInput
from settings.faults import need_fact
from tasks.devices import VISIBLE
from workers.supervisor import Devices

#: Longest wait for a tool that names GPUs; with driver persistence off and eight GPUs it takes some ten seconds.
_TOOL_SECONDS = 20.0


def devices_of(gpus: str | None, cpus: int | None) -> Devices:
    """`--gpus 0,1|0+1|all|none` and `--cpus N`; by default every GPU, and a CPU worker for each core left.

    Commas separate workers, `+` the GPUs that one worker shares a batch over (`training.devices`). Numbers are
    nvidia-smi's; GPUs that CUDA_VISIBLE_DEVICES hides are left alone. Where no nvidia-smi can be asked numbers are for
    torch to judge (`need_gpus`). Raises InvalidInput, and EnvironmentLacks for GPUs that are hidden.
    """
    found = [] if gpus == "none" else visible_gpus()  # a driver that hangs is then not waited for
    chosen: list[tuple[int, ...]]
    if gpus in (None, "all"):
        chosen = [(gpu,) for gpu in found]
    elif gpus == "none":
        chosen = []
    elif re.fullmatch(r"\d+([,+]\d+)*", str(gpus)) is None:
        raise InvalidInput(
            f"--gpus {gpus!r} is not all, none, or numbers separated by commas (0,1), "
            "or by + where one worker has several (0+1)"
        )
    else:
        chosen = [tuple(map(int, group.split("+"))) for group in str(gpus).split(",")]
        named = [gpu for group in chosen for gpu in group]
        if len(set(named)) < len(named):
            raise InvalidInput(f"--gpus {gpus!r} names a GPU twice")
        _check_named(str(gpus), named, found)
    cores = len(os.sched_getaffinity(0))
    return Devices(chosen, cpus if cpus is not None else max(1, cores - len(chosen)))


def need_gpus(groups: Sequence[tuple[int, ...]]) -> None:
    """Raises EnvironmentLacks unless torch sees all these GPUs (nvidia-smi's numbers) and computes on them: their
    workers would compute on the processor, or fail at the first product. Asked in a process of its own.
    """
    chosen = tuple(gpu for group in groups for gpu in group)
    if not chosen:
        return
    trial = _sound(try_machine(gpus=chosen))
    if len(trial.gpus) < len(chosen):
        names = ", ".join(map(str, chosen))
        raise EnvironmentLacks(
            f"{f'GPU {names} is' if len(chosen) == 1 else f'GPUs {names} are'} asked for, and torch {trial.torch} sees "
            f"{len(trial.gpus)} of them: install a torch build and a driver for them (doctor says more), or compute on "
            "the processor with --gpus none"
        )
    _refuse({chosen[gpu["index"]]: gpu for gpu in trial.gpus}, "--gpus {}", "none")


def need_own_gpus() -> None:
    """The same for the GPUs that this process sees, however they were chosen; none is fine."""
    if os.environ.get(VISIBLE) == "" or shutil.which("nvidia-smi") is None:
        return
    trial = _sound(try_machine())
    _refuse({gpu["index"]: gpu for gpu in trial.gpus}, f"{VISIBLE}={{}}", "")


def _sound(trial: Trial) -> Trial:
    if trial.ended is not None:
        raise EnvironmentLacks(f"a process that tries this machine {trial.ended}; doctor says more")
    for name, fault in trial.faults.items():
        if fault is not None:
            raise EnvironmentLacks(f"{name} cannot be imported here: {fault}; doctor says more")
    return trial


def _refuse(gpus: Mapping[int, Mapping[str, Any]], how: str, nothing: str) -> None:
    """gpus: by the number that people choose them by, which is done as `how` says; `nothing` chooses none."""
    faulty = {number: gpu for number, gpu in gpus.items() if gpu["fault"] is not None}
    if not faulty:
        return
    number, gpu = next(iter(faulty.items()))
    others = ",".join(str(number) for number in gpus if number not in faulty) or nothing
    raise EnvironmentLacks(
        f"GPU {number} ({gpu['name']}): {gpu['fault']}; start with {how.format(others)}, or {gpu['remedy']}"
    )


def visible_gpus() -> list[int]:
    """nvidia-smi's numbers of the NVIDIA GPUs that this process may use, without importing torch."""
    named = list(_listed())
    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        return [index for index, _ in named]
    chosen: list[int] = []
    for entry in (part.strip() for part in allowed.split(",")):
        fits = [index for index, uuid in named if _is_named(entry, index, uuid)]
        if not fits:  # CUDA ignores this entry and all after it
            break
        chosen += [index for index in fits if index not in chosen]
    return chosen


def _is_named(entry: str, index: int, uuid: str) -> bool:
    return entry == str(index) or (entry.startswith("GPU-") and uuid.startswith(entry))


def _listed() -> Iterator[tuple[int, str]]:
    """(number, UUID or empty). A tool that answers in words, or not at all, lists nothing."""
    if shutil.which("nvidia-smi") is None:
        return
    try:
        listed = ask_tool(["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"], _TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        need_fact(error)
        return
    for line in listed.stdout.splitlines() if listed.returncode == 0 else ():
        found = re.fullmatch(r"\s*(\d+)\s*(?:,\s*(\S+)\s*)?", line)
        if found is not None:
            yield int(found[1]), found[2] or ""


def _check_named(said: str, named: Sequence[int], found: Sequence[int]) -> None:
    allowed = os.environ.get(VISIBLE)
    numbers = None if allowed is None else [part.strip() for part in allowed.split(",") if part.strip()]
    if numbers is not None and all(part.isdigit() or part == "-1" for part in numbers):
        hidden = [gpu for gpu in named if str(gpu) not in numbers]
        if hidden:
            raise EnvironmentLacks(
                f"--gpus {said}: {VISIBLE}={allowed} hides GPU {hidden[0]}; name others, or unset it"
            )
    missing = sorted(set(named) - set(found)) if found else []
    if missing:
        raise InvalidInput(f"--gpus {said!r}: this machine has no GPU {missing[0]}, only {list(found)}")
