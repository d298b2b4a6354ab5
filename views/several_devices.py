"""What stages of several devices ask for, beside what there is."""

from __future__ import annotations

from pydantic import BaseModel

from db.engine import Database
from db.gang_standings import Here, devices_here
from experiments.registry import experiment_for
from settings import given


def told_devices(config: BaseModel, database: Database | None) -> list[str]:
    """A sentence for each setting that asks for several devices of one machine. database: None where there is no home
    yet. No tool that knows GPUs is asked: a driver may hang."""
    here = devices_here(database) if database is not None else Here(0, 0)
    return [
        _sentence(place, count, here)
        for place, count in experiment_for(config).of_machine(config, "devices").items()
        if count > 1
    ]


def _sentence(place: str, count: int, here: Here) -> str:
    if here.gpus:
        gpus = f"{here.gpus} GPU{'s' * (here.gpus != 1)}"
        if count > here.gpus:
            return f"{place} is {count}, and no machine here has more than {gpus}: it waits for one that has as many"
        return f"{place} is {count}, and a machine here has {gpus}"
    cores = given.cores().count
    fewer = f", fewer than {count}: slower than one device" if count > cores else ""
    return (
        f"{place} is {count}: a machine with GPUs needs as many of them; on one without they are ranks that share the "
        f"processor (this one has {cores} cores{fewer})"
    )
