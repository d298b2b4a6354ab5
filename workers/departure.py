"""Leaving a machine: what holds nothing unsaved is ended at once, the rest as soon as its steps are in the state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from db import departures
from db.engine import Database
from db.states import SUCCEEDED
from workers.child import Child

logger = logging.getLogger("baton.supervisor")

#: How often it is looked who has ended, and who may be ended.
_LOOK_SECONDS = 0.02

#: Processes that hold no work get so long to end by themselves: Flower writes down what it saw.
_OTHERS_SECONDS = 1.0

#: How the attempts of workers end that were ended: no try is spent, and it is no loss.
REASON = "its session was told to leave"


@dataclass(frozen=True)
class Departed:
    """Labels of the jobs that were being worked on.

    saved: all they did is in the state. fresh: they had done no step yet. cut: they had, and end without a checkpoint
    of it; with the step that they go on from.
    """

    saved: Sequence[str] = ()
    fresh: Sequence[str] = ()
    cut: Sequence[tuple[str, int]] = ()
    #: Why that is not known, and nothing was put back.
    fault: str | None = None

    @property
    def sentence(self) -> str:
        """For people: `2 jobs saved, 1 job ended without a checkpoint (train x: goes on from step 40)`."""
        if self.fault is not None:
            return f"what the workers did last could not be looked up ({self.fault}); the next session takes it back"
        parts = []
        if self.saved:
            parts.append(f"{_jobs(self.saved)} saved")
        if self.fresh:
            parts.append(f"{_jobs(self.fresh)} stopped before a first step")
        if self.cut:
            where = "; ".join(f"{label}: goes on from step {step}" for label, step in self.cut)
            parts.append(f"{_jobs(self.cut)} ended without a checkpoint ({where})")
        return ", ".join(parts) or "no job was under way"


def depart(
    database: Database, session_id: int, children: Sequence[Child], hurry: Callable[[], bool], seconds: float
) -> Departed:
    """End all processes of a session. What holds unsaved steps after `seconds`, or when `hurry` says so, is killed too.

    An import cannot be interrupted, and an interpreter with torch in it takes seconds to end: nobody waits for either.
    """
    if not children:
        return Departed()
    began = time.monotonic()
    workers = [child for child in children if child.is_worker]
    others = [child for child in children if not child.is_worker]
    unsaved = {child.process.pid for child in workers if child.runs and child.has_unsaved}
    killed = _kill_saved(workers)
    for child in (*workers, *(child for child in others if not child.serves_workers)):
        child.ask_to_stop()
    try:
        under_way, fault = departures.under_way(database, session_id), None
    except Exception as error:
        under_way, fault = {}, error
    while any(child.runs for child in workers) and not hurry() and time.monotonic() - began < seconds:
        time.sleep(_LOOK_SECONDS)
        killed |= _kill_saved(workers)
    cut = {child.process.pid for child in workers if child.kill()}
    for child in others:
        child.ask_to_stop()
    while any(child.runs for child in others) and not hurry() and time.monotonic() - began < _OTHERS_SECONDS:
        time.sleep(_LOOK_SECONDS)
    for child in children:
        child.kill()
        child.process.wait()
    try:
        if fault is not None:
            raise fault
        departures.put_away(database, session_id, sorted(killed | cut), REASON, time.time())
        return _told(database, under_way, unsaved, cut)
    except Exception as error:  # everybody is gone all the same, and a later session takes their jobs back
        logger.warning("what the workers held could not be put back", exc_info=True)
        return Departed(fault=str(error))


def _kill_saved(workers: Sequence[Child]) -> set[int]:
    """End the workers all of whose steps are in the state. Returns their process numbers."""
    return {child.process.pid for child in workers if not child.has_unsaved and child.kill()}


def _told(
    database: Database, under_way: Mapping[int, int], unsaved: Collection[int], cut: Collection[int]
) -> Departed:
    saved, fresh, ended = [], [], []
    for row in departures.endings(database, list(under_way)):
        pid = under_way[row.id]
        made = row.outcome == SUCCEEDED or (row.step_to is not None and row.step_to > row.step_from)
        if pid not in cut and made:
            saved.append(row.label)
        elif pid in cut or pid in unsaved or row.outcome is None:  # the last died before
            ended.append((row.label, row.step))
        else:
            fresh.append(row.label)
    return Departed(tuple(saved), tuple(fresh), tuple(ended))


def _jobs(jobs: Sequence[object]) -> str:
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
