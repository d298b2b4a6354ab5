"""`db.doing` of entries in the document of `status --json`, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.doing import INTERRUPTED, STARTING, WAITING
from db.held import Attendance
from db.states import RUNNING


def say_what_is_done(document: Mapping[str, Any], who: Attendance) -> None:
    """Add `doing` to ablations and runs, and `interrupted_jobs` to ablations."""
    for entry in document["ablations"]:
        entry["interrupted_jobs"] = who.interrupted(entry["id"])
        entry["doing"] = who.doing(entry["state"], entry["jobs"], entry["id"])
        for run in entry["runs"]:
            run["doing"] = who.doing(run["state"], run["jobs"], entry["id"], run["id"])


def as_left(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as its session ends: what has no worker starts none."""
    said = dict(document)
    said["ablations"] = [
        {**_left(entry), "runs": [_left(run) for run in entry["runs"]]} for entry in document["ablations"]
    ]
    return said


def _left(part: Mapping[str, Any]) -> dict[str, Any]:
    """Nobody is there while it is starting, so that whatever counts as running has lost its worker."""
    if part.get("doing") != STARTING:
        return dict(part)
    return {**part, "doing": INTERRUPTED if part["jobs"].get(RUNNING) else WAITING}


def is_starting(document: Mapping[str, Any]) -> bool:
    """Whether there are no workers yet and a session of this machine starts them."""
    return not document["workers"] and any(entry["lives"] for entry in document.get("sessions", ()))


def counts_in_words(jobs: Mapping[str, int], interrupted: int) -> str:
    """`27 blocked, 1 running`; running ones whose worker is gone are told as interrupted."""
    told: dict[str, int] = {}
    for state, count in jobs.items():
        told[state] = count - interrupted * (state == RUNNING)
        if state == RUNNING:
            told[INTERRUPTED] = interrupted
    return ", ".join(f"{count} {state}" for state, count in told.items() if count)
