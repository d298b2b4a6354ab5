"""Films of failed subtasks in a report, read from artifacts, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calvin.instructions import evaluation_instruction
from db import queries
from db.engine import Database
from db.rows import ArtifactRow
from db.states import SUCCEEDED
from db.store import ArtifactStore
from reports.data import Video
from settings.arms import ARMS
from workers.report_runs import is_closed_loop

#: Films in the page, and how large they may be together: it shall open on a phone.
_VIDEOS, _VIDEO_BYTES = 6, 6 * 1024 * 1024


def failure_videos(database: Database, store: ArtifactStore, jobs: Sequence[Any]) -> tuple[Video, ...]:
    """A few films of failed subtasks, taken in turn from the arms. Bytes that were cleared away leave none."""
    by_run: dict[int, list[tuple[Any, ArtifactRow]]] = {}
    for row in _of_arms(jobs):
        if row.state == SUCCEEDED:
            films = [a for a in queries.artifacts_of_job(database, row.id) if a.path.endswith(".mp4")]
            by_run.setdefault(row.run_id, []).extend((row, film) for film in films)
    videos: list[Video] = []
    size = 0
    for turn in range(max((len(films) for films in by_run.values()), default=0)):
        for of_run in by_run.values():
            if turn >= len(of_run) or len(videos) == _VIDEOS:
                continue
            row, film = of_run[turn]
            path = store.find(film.path, film.sha256) if size + film.bytes <= _VIDEO_BYTES else None
            if path is not None:
                size += film.bytes
                videos.append(Video(_caption(row, film.name), path.read_bytes()))
    return tuple(videos)


def no_films_because(jobs: Sequence[Any]) -> str | None:
    """Why `failure_videos` found none; None where nothing is evaluated in closed loop."""
    shards = _of_arms(jobs)
    if not shards:
        return None
    if not any(row.spec.get("videos") for row in shards):
        return "evaluation.videos is 0"
    ended = [row for row in shards if row.state == SUCCEEDED]
    if not ended:
        return "no part of the evaluation has ended yet"
    if any(entry["done"] < 5 for row in ended for entry in row.result["results"]):
        return "their files are no longer in the store"
    return "no subtask failed"


def _of_arms(jobs: Sequence[Any]) -> list[Any]:
    return [row for row in jobs if is_closed_loop(row) and row.run_id is not None]


def _caption(row: Any, name: str) -> str:
    """Arm, seed, sequence, and the phrase of the subtask that failed. `name`: failure_<sequence>."""
    sequence = int(name.removeprefix("failure_"))
    (entry,) = [entry for entry in row.result["results"] if entry["sequence"] == sequence]
    task, phrases = entry["tasks"][entry["done"]], row.spec["instructions"]
    phrase = evaluation_instruction(task) if phrases is None else phrases[task]
    arm = ARMS[row.arm].title if row.arm in ARMS else row.arm
    return f"{arm}, seed {row.seed}, sequence {sequence}: “{phrase}” (task {entry['done'] + 1} of 5)"
