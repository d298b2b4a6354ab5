"""Held-out frames for commands that look at one checkpoint: a home's own, or those of a CALVIN dataset."""

from __future__ import annotations

from pathlib import Path

from calvin.split import VALIDATION
from db import progress
from db.engine import Database
from db.inputs import needed
from db.store import ArtifactStore
from detectors.registry import make_detector
from detectors.spec import NoOptions
from detectors.targets.table import NO_TARGET, TARGETS_VERSION
from errors import InvalidInput
from experiments.reconvla.demonstrations import recorded
from tasks.context import FRAMES, InputFile
from tasks.local_context import run_body
from tasks.specs import GazeSpec, IndexSpec


def frames_of_home(database: Database, store: ArtifactStore) -> list[InputFile]:
    """The validation index of the newest ablation that has one, with its frames; bytes are verified.

    Raises InvalidInput when no ablation got that far.
    """
    job = progress.newest_job(database, "attention")
    rows = [] if job is None else [row for row in needed(database, job) if row.kind != "checkpoint"]
    if not rows or not any(row.kind == "index" for row in rows):
        raise InvalidInput("this home has no validation frames yet; name a dataset with --data DIR")
    return [
        InputFile(
            row.role, row.kind, row.name, store.verified(row.path, row.sha256), row.path, row.sha256, row.step
        )
        for row in rows
    ]


def frames_of_dataset(root: Path, limit: int | None, detector: str, folder: Path) -> list[InputFile]:
    """The first `limit` demonstrations of the validation split, extracted into `folder` as the jobs do it."""
    from tasks.data import index, ingest
    from tasks.gaze import run as gaze

    corpus = recorded(root, VALIDATION, with_boxes=detector == "oracle")
    entries = tuple(corpus.entries[:limit])
    read = corpus.ingest(0, len(entries), with_identity=False)
    episodes = run_body(ingest.run, folder / "episodes", read, [])
    regions: list[InputFile] = []
    for entry in entries:
        found = GazeSpec(
            number=entry.number,
            unknown_wording=NO_TARGET,
            detector=detector,
            version=make_detector(detector).version,
            options=NoOptions(),
            targets=TARGETS_VERSION,
        )
        regions += run_body(gaze.run, folder / "gaze", found, episodes)
    about = IndexSpec(split=VALIDATION, numbers=tuple(entry.number for entry in entries))
    made = run_body(index.run, folder / "index", about, [*episodes, *regions])
    return [*made, *(_as_frames(file) for file in episodes)]


def _as_frames(file: InputFile) -> InputFile:
    return InputFile(
        f"index{FRAMES}", file.kind, file.name, file.path, file.reference, file.sha256, file.step
    )
