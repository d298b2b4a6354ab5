"""What a GroundingDINO's `config.json` may not ask for: what its library would read, or run, from elsewhere, and what
makes another model of the weights beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from errors import CheckpointError
from settings.shown import cut, shown

MODEL_TYPES = ("grounding-dino", "mm-grounding-dino")
#: Each names a model, a file or a way to compute that is not in the folder, or not what its weights learned.
_ELSEWHERE = (
    "backbone", "use_timm_backbone", "use_pretrained_backbone", "transformers_weights", "quantization_config",
)  # fmt: skip
#: The two stages of every released model: boxes are proposed by the picture, and learned queries look at them.
_NEEDED = ("two_stage", "embedding_init_target")
#: Of another library, which makes its own models.
_TIMM = "timm_backbone"
#: Any other text names a program that its library downloads.
_IMPLEMENTATIONS = ("eager", "sdpa")


def check_entries(file: Path, values: Mapping[str, Any]) -> None:
    """Raises CheckpointError naming the first such entry of `values`, those of the `config.json` at `file`."""
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
        raise CheckpointError(f"{file}: model_type is {shown(model_type)}, not {shown(MODEL_TYPES[0])}")
    for name in _NEEDED:
        if not values.get(name, True):
            raise CheckpointError(
                f"{file}: {name} is {shown(values[name])}; only models that propose boxes themselves are known"
            )
    for place, name, value in _entries(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise CheckpointError(f"{file}: {cut(place)} is {value}; numbers must be finite")
        if not value:
            continue
        told = f"{file}: {cut(place)} is {shown(value)}"
        if name in _ELSEWHERE:
            raise CheckpointError(f"{told}; only weights of its own folder are read, as they are: remove it")
        if name == "model_type" and value == _TIMM:
            raise CheckpointError(f"{told}; only transformers' own backbones are known")
        if name.endswith(("_implementation", "_implementation_internal")) and value not in _IMPLEMENTATIONS:
            raise CheckpointError(
                f"{told}, where only {' and '.join(map(shown, _IMPLEMENTATIONS))} are known"
            )


def _entries(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(dotted place, name, value) of all entries, those within others too; of a list its items, without a name."""
    waiting: list[tuple[str, Any]] = [("", values)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            for name, item in value.items():
                place = f"{path}.{name}" if path else name
                yield place, name, item
                waiting.append((place, item))
        elif isinstance(value, list):
            yield from ((path, "", item) for item in value)
            waiting += [(path, item) for item in value]
