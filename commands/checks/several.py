"""Training over several devices: what fits over all of this machine's, and what jobs that wait for more lack."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from commands.checks.finding import OK, WARNING, Finding
from commands.checks.trial import try_machine
from errors import BatonError, EnvironmentLacks
from settings import given
from settings.home import Home
from settings.typed import typed

_GIB = 2**30
_NAME = "several devices"


def findings(home: Home, sound: bool) -> list[Finding]:
    """sound: whether the home's state, where it has one, may be asked."""
    return [*_room(), *(_waiting(home) if sound and home.exists else [])]


def _room() -> list[Finding]:
    """Of GPUs that work; without any, of ranks on the processor, a core each, which share its memory."""
    told = [gpu.get("memory_bytes") for gpu in try_machine(packages=True).gpus if gpu["fault"] is None]
    cards = [size for size in told if size is not None]
    if len(cards) == 1:
        detail = "training.devices above 1 waits for a machine with more GPUs: this one has 1"
        return [Finding("models", _NAME, OK, detail)]
    count = len(cards) or given.cores().count
    if count < 2:
        detail = "this machine has one core and no GPU: training.devices above 1 is slower than 1"
        return [Finding("models", _NAME, OK, detail)]
    each = (min(cards) if cards else given.memory().total / count) / _GIB
    place = f"all {count} GPUs" if cards else f"{count} ranks that share this machine's memory"
    try:
        fits, lacks = _compared(count, each, copies=not cards)
    except (ImportError, OSError, EnvironmentLacks):  # `training` tells why
        return []
    one = "with one sample a micro-batch fits, computed"
    does = f"over {place} ({each:.1f} GiB each) {one}: {fits or 'nothing'}"
    return [Finding("models", _NAME, OK, f"{does}; does not: {lacks}" if lacks else does)]


def _compared(count: int, each: float, copies: bool) -> tuple[str, str]:
    """What can be trained over so many devices of `each` GiB, and what cannot. copies: whether checkpoints are copied
    in the same memory."""
    from models.costs import METHODS
    from models.rank_costs import rank_costs
    from models.sizes import SIZES

    fits, lacks = list[str](), list[str]()
    for size in ("small", "7b"):
        for method in (method for method in METHODS if method.full):
            costs = rank_costs(SIZES[size], method, count)
            need = costs.total + (costs.copied if copies else 0.0)
            told = f"{size} {method.name.partition(',')[0]} ({need:.1f} each)"
            (fits if need <= each else lacks).append(told)
    return ", ".join(fits), ", ".join(lacks)


def _waiting(home: Home) -> Sequence[Finding]:
    """Jobs that no machine here has the devices for."""
    from db.gang_standings import gang_standings
    from db.migrate import look_at_state
    from db.states import RUNNING
    from views.gangs import fits, sentence

    try:
        with closing(look_at_state(home)) as database:
            found = [gang for gang in gang_standings(database) if gang.state != RUNNING and not gang.seats]
    except BatonError:  # told by the checks of the state
        return []
    up = f"on a machine that has as many: {typed('up --until-done', home)}"
    return [
        Finding("home", _NAME, WARNING if gang.workers else OK, sentence(gang), up)
        for gang in found
        if not (gang.workers and fits(gang))
    ]
