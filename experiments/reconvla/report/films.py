"""Films of failed subtasks in a report, read from artifacts, or why there are none."""

from __future__ import annotations

from collections.abc import Sequence

from calvin.instructions import evaluation_instruction
from calvin.sequences import CHAIN_LENGTH
from db.states import FINAL, SUCCEEDED
from experiments.reconvla.report.titles import title_of
from reports.parts.films import Video
from settings.json_values import JsonObject
from tasks.evaluate.chains import FILM
from tasks.records import ArtifactRecord, Find, JobRecord, Records, ended, told
from tasks.results import ClosedLoopResult
from tasks.specs import ClosedLoopSpec

#: Films in the page, and how large they may be together: it shall open on a phone.
_VIDEOS, _VIDEO_BYTES = 6, 6 * 1024 * 1024


def failure_videos(records: Records, find: Find) -> tuple[Video, ...]:
    """A few films of failed subtasks, taken in turn from the arms. Bytes that were cleared away leave none."""
    by_run: dict[int | None, list[tuple[JobRecord, ArtifactRecord]]] = {}
    for row in _of_arms(records.jobs):
        if row.state == SUCCEEDED:
            films = [a for a in records.artifacts_of(row) if a.path.endswith(".mp4")]
            by_run.setdefault(row.run_id, []).extend((row, film) for film in films)
    videos: list[Video] = []
    size = 0
    for turn in range(max((len(films) for films in by_run.values()), default=0)):
        for of_run in by_run.values():
            if turn >= len(of_run) or len(videos) == _VIDEOS:
                continue
            row, film = of_run[turn]
            path = find(film) if size + film.bytes <= _VIDEO_BYTES else None
            if path is not None:
                size += film.bytes
                videos.append(Video(_caption(row, film.name, records.ablation.config), path.read_bytes()))
    return tuple(videos)


def no_films_because(jobs: Sequence[JobRecord]) -> str | None:
    """Why `failure_videos` found none; None where nothing is evaluated in closed loop."""
    shards = _of_arms(jobs)
    if not shards:
        return None
    if not any(spec.videos for _, spec in told(shards, ClosedLoopSpec)):
        return "evaluation.videos is 0"
    results = ended(shards, ClosedLoopResult)
    if not results:
        is_over = all(row.state in FINAL for row in shards)
        return f"no part of the evaluation {'gave a result' if is_over else 'has ended yet'}"
    if any(entry.done < CHAIN_LENGTH for _, result in results for entry in result.results):
        return "their files are no longer in the store"
    return "no subtask failed"


def _of_arms(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    return [row for row, _ in told(jobs, ClosedLoopSpec) if row.run_id is not None]


def _caption(row: JobRecord, name: str, settings: JsonObject) -> str:
    """Arm, seed, sequence, and the phrase of the subtask that failed. `name`: failure_<sequence>."""
    sequence = int(name.removeprefix(FILM))
    assert isinstance(row.spec, ClosedLoopSpec)
    assert isinstance(row.result, ClosedLoopResult)
    (entry,) = [entry for entry in row.result.results if entry.sequence == sequence]
    task, phrases = (entry.tasks or ())[entry.done], row.spec.instructions
    phrase = evaluation_instruction(task) if phrases is None else phrases[task]
    arm = title_of(settings, row.arm or "")
    return (
        f"{arm}, seed {row.seed}, sequence {sequence}: “{phrase}” (task {entry.done + 1} of {CHAIN_LENGTH})"
    )
