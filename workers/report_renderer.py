"""What drew the pictures of an evaluation, and whether the training frames were drawn by something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.report_runs import is_closed_loop


def simulators_told(jobs: Sequence[Any]) -> str:
    """What the shards that have ended say of their simulator; empty while there are none."""
    told = {
        ", ".join(f"{name} {str(value)[:12]}" for name, value in sorted(description.items()) if value)
        for description in _descriptions(jobs)
    }
    return " and ".join(sorted(told))


def frames_told(jobs: Sequence[Any]) -> str:
    """What drew the training frames and what that rests on; empty where no job tells."""
    told = {
        f"{job.spec['frames_renderer'] or 'unknown'} ({job.spec['frames_basis']})"
        for job in jobs
        if is_closed_loop(job) and "frames_basis" in job.spec
    }
    return " and ".join(sorted(told))


def renderer_warning(jobs: Sequence[Any]) -> str | None:
    """Sentences where frames and evaluation were drawn differently or show other scenes, or where nobody knows; else
    None.
    """
    used = {description["renderer"] for description in _descriptions(jobs)}
    # Jobs planned before there was a choice do not say what drew the frames.
    told = [job.spec for job in jobs if "frames_renderer" in job.spec]
    frames = {spec["frames_renderer"] for spec in told}
    if not used or not frames:
        return None
    sentences = []
    evaluation = " and ".join(sorted(used))
    bases = sorted({spec["frames_basis"] for spec in told if spec.get("frames_basis")})
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
        because = f" ({'; '.join(bases)})" if bases else ""
        sentences.append(
            f"Training frames were drawn by renderer {' and '.join(sorted(frames))}, the evaluation by {evaluation}: "
            f"policies do worse on pictures of another renderer{because}."
        )
    if any(spec.get("frames_scenes") == "baton" and spec.get("scenes") == "calvin" for spec in told):
        sentences.append("Training frames show Baton's own scenes, the evaluation shows CALVIN's.")
    untrained = sorted({task for spec in told for task in spec.get("untrained_tasks") or ()})
    if untrained:
        sentences.append(
            f"No training demonstration shows {', '.join(untrained)}, which the evaluation asks for."
        )
    return " ".join(sentences) or None


def _descriptions(jobs: Sequence[Any]) -> list[dict[str, str]]:
    """Of the closed-loop shards that have ended and had something left to do."""
    results = [job.result for job in jobs if is_closed_loop(job) and job.result]
    return [told for result in results if (told := result.get("simulator_description"))]
