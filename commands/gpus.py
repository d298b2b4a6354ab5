"""Which devices the workers of a session get, and whether torch can compute on them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from commands.checks.trial import Trial, try_machine
from errors import EnvironmentLacks, InvalidInput
from settings import given
from settings.gpus import VISIBLE, Given, entries
from settings.gpus import gpus as given_gpus
from settings.shown import shown
from settings.streams import say
from settings.whole_numbers import whole_number
from workers.supervisor import Devices

#: What a worker takes of memory before its model: an interpreter with torch and what a small job adds.
_WORKER_BYTES = 2**30


def devices_of(gpus: str | None, cpus: int | None) -> Devices:
    """`--gpus 0,1|0+1|all|none` and `--cpus N`; by default every GPU, and a CPU worker for each core left, as far as
    there is memory for them.

    Commas separate workers, `+` the GPUs that one worker has for jobs of several (`training.devices`); such jobs get
    those of several workers too. Numbers are those of
    `settings.gpus`; GPUs that CUDA_VISIBLE_DEVICES hides are left alone. Where no nvidia-smi can be asked numbers are
    for torch to judge (`need_gpus`). Raises InvalidInput, and EnvironmentLacks for GPUs that are hidden.
    """
    if gpus not in (None, "all", "none") and re.fullmatch("[0-9]{1,4}([,+][0-9]{1,4})*", str(gpus)) is None:
        raise InvalidInput(
            f"--gpus {shown(gpus)} is not all, none, or numbers separated by commas (0,1), "
            "or by + where one worker has several (0+1)"
        )
    # Where none is wanted a driver that hangs is not waited for.
    found = Given((), ()) if gpus == "none" else given_gpus()
    if found.twice:
        raise InvalidInput(f"{found.said} {found.trouble}: name each once")
    if found.trouble:
        say(f"{found.said}: {found.trouble}" if found.said else found.trouble, error=True)
    chosen: list[tuple[int, ...]]
    names = {gpu.number: gpu.name for gpu in found.gpus}
    if gpus in (None, "all"):
        chosen = [(gpu,) for gpu in names]
    elif gpus == "none":
        chosen = []
    else:
        chosen = [tuple(map(int, group.split("+"))) for group in str(gpus).split(",")]
        named = [gpu for group in chosen for gpu in group]
        if len(set(named)) < len(named):
            raise InvalidInput(f"--gpus {gpus!r} names a GPU twice")
        _check_named(str(gpus), named, found)
        if any(len(group) > 1 and names.get(group[0], "").startswith("MIG-") for group in chosen):
            raise InvalidInput(
                f"--gpus {gpus!r}: a process sees one MIG device, so workers cannot have several"
            )
    return Devices(chosen, _cpu_workers(len(chosen)) if cpus is None else cpus, names)


def _cpu_workers(others: int) -> int:
    """One for each core that `others` leave, if memory suffices, and always one."""
    return max(1, min(given.cores().count, given.memory().total // _WORKER_BYTES) - others)


def need_gpus(devices: Devices) -> dict[int, int]:
    """Memory of these GPUs by number, bytes; without those that did not tell.

    Raises EnvironmentLacks unless torch sees all of them and computes on them: their workers would compute on the
    processor, or fail at the first product. Asked in a process of its own.
    """
    chosen = tuple(gpu for group in devices.gpus for gpu in group)
    if not chosen:
        return {}
    # CUDA shows a process one MIG device, so each of several is tried by itself.
    apart = any(devices.named([gpu])[0].startswith("MIG-") for gpu in chosen)
    seen: dict[int, Mapping[str, Any]] = {}
    for group in [(gpu,) for gpu in chosen] if apart else [chosen]:
        trial = _sound(try_machine(gpus=tuple(devices.named(group))))
        seen |= {group[gpu["index"]]: gpu for gpu in trial.gpus}
    if len(seen) < len(chosen):
        names = ", ".join(map(str, chosen))
        raise EnvironmentLacks(
            f"{f'GPU {names} is' if len(chosen) == 1 else f'GPUs {names} are'} asked for, and torch {trial.torch} sees "
            f"{len(seen)} of them: install a torch build and a driver for them (doctor says more), or compute on "
            "the processor with --gpus none"
        )
    _refuse(seen, "--gpus {}", "none")
    memory = {number: gpu.get("memory_bytes") for number, gpu in seen.items()}
    return {number: size for number, size in memory.items() if size is not None}


def need_own_gpus() -> None:
    """The same for the GPUs that this process sees, however they were chosen; none is fine."""
    visible = os.environ.get(VISIBLE)
    if visible == "" or shutil.which("nvidia-smi") is None:
        return
    trial = _sound(try_machine())
    names = dict(enumerate(entries(visible)[0])) if visible is not None else {}
    own = {names.get(gpu["index"], str(gpu["index"])): gpu for gpu in trial.gpus}
    _refuse(own, f"{VISIBLE}={{}}", "")


def _sound(trial: Trial) -> Trial:
    if trial.ended is not None:
        raise EnvironmentLacks(f"a process that tries this machine {trial.ended}; doctor says more")
    for name, fault in trial.faults.items():
        if fault is not None:
            raise EnvironmentLacks(f"{name} cannot be imported here: {fault}; doctor says more")
    return trial


def _refuse(gpus: Mapping[Any, Mapping[str, Any]], how: str, nothing: str) -> None:
    """gpus: by the number that people choose them by, which is done as `how` says; `nothing` chooses none."""
    faulty = {number: gpu for number, gpu in gpus.items() if gpu["fault"] is not None}
    if not faulty:
        return
    number, gpu = next(iter(faulty.items()))
    others = ",".join(str(number) for number in gpus if number not in faulty) or nothing
    raise EnvironmentLacks(
        f"GPU {number} ({gpu['name']}): {gpu['fault']}; start with {how.format(others)}, or {gpu['remedy']}"
    )


def _check_named(said: str, named: Sequence[int], found: Given) -> None:
    """Raises EnvironmentLacks for what the user's list hides, InvalidInput for what this machine has not."""
    visible = os.environ.get(VISIBLE)
    allowed = {gpu.number for gpu in found.gpus}
    if (
        not found.machine and visible is not None
    ):  # nobody says which GPU an entry is; numbers speak for themselves
        allowed = {number for entry in entries(visible)[0] if (number := whole_number(entry)) is not None}
    elif not found.machine:
        return
    refused = sorted(set(named) - allowed)
    if not refused:
        return
    if found.said or visible is not None:
        why = found.said or f"{VISIBLE}={visible}"
        raise EnvironmentLacks(f"--gpus {said}: {why} hides GPU {refused[0]}; name others, or unset it")
    raise InvalidInput(f"--gpus {said!r}: this machine has no GPU {refused[0]}, only {list(found.machine)}")
