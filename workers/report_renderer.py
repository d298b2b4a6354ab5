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


def renderer_warning(jobs: Sequence[Any]) -> str | None:
    """A sentence where frames and evaluation were drawn differently, or where nobody knows; else None."""
    used = {description["renderer"] for description in _descriptions(jobs)}
    # Jobs planned before there was a choice do not say what drew the frames.
    frames = {job.spec["frames_renderer"] for job in jobs if "frames_renderer" in job.spec}
    if not used or not frames or used == frames:
        return None
    evaluation = " and ".join(sorted(used))
    if None in frames:
        return (
            f"The evaluation was drawn by renderer {evaluation}; the dataset does not tell what drew its frames. "
            "evaluate --replay compares their pictures."
        )
    return (
        f"Training frames were drawn by renderer {' and '.join(sorted(frames))}, the evaluation by {evaluation}: "
        "policies do worse on pictures of another renderer."
    )


def _descriptions(jobs: Sequence[Any]) -> list[dict[str, str]]:
    """Of the closed-loop shards that have ended and had something left to do."""
    results = [job.result for job in jobs if is_closed_loop(job) and job.result]
    return [told for result in results if (told := result.get("simulator_description"))]
