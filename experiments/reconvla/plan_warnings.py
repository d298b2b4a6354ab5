"""What whoever plans an ablation is told before anything is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from experiments.reconvla.sections import Training
from tasks.specs import ClosedLoopSpec

#: Of a slice of several devices: below, what every slice begins with is a good part of it.
SHORT_SLICE_SECONDS = 60.0


def judged_on_trained(counts: Mapping[str, int]) -> Iterator[str]:
    """Which rows are judged on what was trained on; "" is the ablation itself."""
    for name, count in counts.items():
        if count:
            row = f"arms.{name}: " if name else ""
            yield (
                f"{row}validation: frames of {count} of its demonstrations are trained on too: figures of validation "
                "are not of held-out data"
            )


def never_shown(shards: Sequence[ClosedLoopSpec]) -> tuple[str, ...]:
    """Which tasks are judged that no training demonstration shows."""
    untrained = sorted({task for shard in shards for task in shard.untrained_tasks or ()})
    return (f"data.tasks: no training demonstration shows {', '.join(untrained)}",) if untrained else ()


def short_slices(stages: Mapping[str, Training]) -> Iterator[str]:
    """stages: by the place of their settings."""
    for place, stage in stages.items():
        if stage.devices > 1 and stage.slice_seconds < SHORT_SLICE_SECONDS:
            yield (
                f"{place}.slice_seconds: {stage.slice_seconds:g}, and each slice of {stage.devices} devices starts "
                "their processes and reads the checkpoint anew, which takes seconds: longer slices spare it"
            )
