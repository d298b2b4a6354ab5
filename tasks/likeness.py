"""Which jobs of one kind are alike in what a step takes, so that what one took tells of the other.

Seeds, arms and data may differ: what those make of a step lies within the range of a forecast.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Of a job's parameters; a kind that has none of these is alike in all its jobs.
PATHS: tuple[tuple[str, ...], ...] = (
    *(("model", "config", part) for part in ("size", "vision", "language")),
    *(
        ("training", setting)
        for setting in (
            "batch_size",
            "precision",
            "lora",
            "micro_batch",
            "gradient_checkpointing",
            "devices",
            "nodes",
        )
    ),
    ("precision",),
    ("mode",),
    ("policy",),
    ("max_steps",),
    ("detector",),
)
#: What parameters that leave one out have.
_USUAL: Mapping[tuple[str, ...], object] = {("training", "nodes"): 1, ("precision",): "fp32"}


def traits(values: Mapping[tuple[str, ...], object]) -> tuple[object, ...]:
    """Equal for jobs that are alike. values: what parameters have at each of `PATHS`, None where that is nothing."""
    return tuple(_USUAL.get(path) if values[path] is None else values[path] for path in PATHS)


def traits_of(spec: Mapping[str, object]) -> tuple[object, ...]:
    """The same of the parameters of one job, as rows hold them."""
    return traits({path: _at(spec, path) for path in PATHS})


def _at(spec: object, path: tuple[str, ...]) -> object:
    for name in path:
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    return spec
