"""What drew the pictures of an evaluation, and whether the training frames were drawn by something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.records import JobRecord, ended, told
from tasks.results import ClosedLoopResult
from tasks.specs import NOT_LOOKED_AT, ClosedLoopSpec


def simulators_told(jobs: Sequence[JobRecord]) -> str:
    """What the shards that have ended say of their simulator; empty while there are none."""
    said = {
        ", ".join(f"{name} {str(value)[:12]}" for name, value in sorted(description.items()) if value)
        for description in _descriptions(jobs)
    }
    return " and ".join(sorted(said))


def frames_told(jobs: Sequence[JobRecord]) -> str:
    """What drew the training frames and what that rests on; empty where no job tells."""
    said = {
        f"{spec.frames_renderer or 'unknown'} ({spec.frames_basis})"
        for _, spec in told(jobs, ClosedLoopSpec)
        if spec.frames_basis is not None
    }
    return " and ".join(sorted(said))


def renderer_warning(jobs: Sequence[JobRecord], title: Callable[[str], str] = str) -> str | None:
    """Sentences where frames and evaluation were drawn differently or show other scenes, or where nobody knows; else
    None. title: of a row of the table by its name; a sentence that is not of all rows says of which.
    """
    by_row: dict[str, list[JobRecord]] = {}
    for job in jobs:
        if job.arm is not None:
            by_row.setdefault(job.arm, []).append(job)
    rows_of: dict[str, list[str]] = {}
    drawn = [row for row, mine in by_row.items() if _descriptions(mine)]
    for row in drawn:
        for sentence in _sentences(by_row[row]):
            rows_of.setdefault(sentence, []).append(row)
    if not drawn:
        return " ".join(_sentences(jobs)) or None
    return " ".join(
        sentence if len(rows) == len(drawn) else f"Of {', '.join(map(title, rows))}: {sentence}"
        for sentence, rows in rows_of.items()
    ) or None  # fmt: skip


def _sentences(jobs: Sequence[JobRecord]) -> list[str]:
    """Of jobs that were all planned alike."""
    used = {str(description["renderer"]) for description in _descriptions(jobs)}
    shards = [spec for _, spec in told(jobs, ClosedLoopSpec) if spec.frames_renderer != NOT_LOOKED_AT]
    frames = {spec.frames_renderer for spec in shards}
    if not used or not frames:
        return []
    sentences = []
    evaluation = " and ".join(sorted(used))
    bases = sorted({spec.frames_basis for spec in shards if spec.frames_basis})
    if None in frames:
        why = (
            f"what drew the training frames is unknown ({'; '.join(bases)})"
            if bases
            else ("the dataset does not tell what drew its frames")
        )
        sentences.append(
            f"The evaluation was drawn by renderer {evaluation}; {why}. evaluate --replay compares their pictures."
        )
    elif used != frames:
        drawn_by = " and ".join(sorted(name for name in frames if name))
        because = f" ({'; '.join(bases)})" if bases else ""
        sentences.append(
            f"Training frames were drawn by renderer {drawn_by}, the evaluation by {evaluation}: "
            f"policies do worse on pictures of another renderer{because}."
        )
    if any(spec.frames_scenes == "baton" and spec.scenes == "calvin" for spec in shards):
        sentences.append("Training frames show Baton's own scenes, the evaluation shows CALVIN's.")
    lost = sorted({spec.frames_losses for spec in shards if spec.frames_losses})
    if lost:
        sentences.append(
            f"Training frames lost detail to {' and '.join(lost)}, and the evaluation's pictures did not."
        )
    untrained = sorted({task for spec in shards for task in spec.untrained_tasks or ()})
    if untrained:
        sentences.append(
            f"No training demonstration shows {', '.join(untrained)}, which the evaluation asks for."
        )
    return sentences


def _descriptions(jobs: Sequence[JobRecord]) -> list[Mapping[str, object]]:
    """Of the closed-loop shards that have ended and had something left to do."""
    described = (result.simulator_description for _, result in ended(jobs, ClosedLoopResult))
    return [description for description in described if description]
