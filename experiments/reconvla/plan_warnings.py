"""What whoever plans an ablation is told before anything is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tasks.specs import ClosedLoopSpec


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
