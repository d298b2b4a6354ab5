"""The tensors in a GroundingDINO's `.pth` file: as released, and as trainers of it leave them.

Open-GroundingDino and its kin save `{"model": ..., "optimizer": ..., "epoch": ..., "args": argparse.Namespace}`, from a
parallel run with `module.` before each name; others save the tensors alone. The namespace holds nothing but attributes,
so that one class is let in by its name; whatever else is pickled is refused, and nothing is imported for it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch.serialization import safe_globals

from errors import CheckpointError
from settings.faults import need_fact
from settings.regular import UnfitFile, open_regular
from settings.shown import cut, shown_path

#: What torch says of a class or function that it was not told to let in.
_REFUSED = re.compile(r"(?:GLOBAL|class|global) '?([\w.]+)'? (?:was not an allowed|whose module)")
#: And where a file in its format, an archive, has lost its end.
_CUT_SHORT = ("central directory", "unexpected EOF", "unexpected pos")
_UNUSABLE = (
    OSError, RuntimeError, KeyError, IndexError, TypeError, ValueError, AttributeError, EOFError, UnpicklingError,
)  # fmt: skip


def official_tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Tensors by official name, on the CPU.

    Raises CheckpointError, in one sentence, for a file that is damaged, holds anything but tensors and plain values
    (which then names how the weights are saved alone), or has no tensors where a trainer puts them.
    """
    content = _content(checkpoint)
    state = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(map(_is_named_tensor, state.items())):
        raise CheckpointError(
            f"{shown_path(checkpoint)} is no official GroundingDINO checkpoint: it holds no tensors by name, neither "
            'under "model" nor by themselves'
        )
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _content(checkpoint: Path) -> Any:
    told = f"{shown_path(checkpoint)} is no official GroundingDINO checkpoint"
    try:
        with open_regular(checkpoint) as file, safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnfitFile as error:
        raise CheckpointError(f"{told}: {error}") from None
    except _UNUSABLE as error:
        need_fact(error)
        if (found := _REFUSED.search(str(error))) is not None:
            raise CheckpointError(
                f"{told}: beside tensors it holds {cut(found[1])}, which is not read, as that could run code; where it "
                "was trained, save the weights alone: "
                "torch.save({'model': torch.load(FILE, weights_only=False)['model']}, 'weights.pth')"
            ) from None
        is_cut = isinstance(error, EOFError) or any(words in str(error) for words in _CUT_SHORT)
        why = "it is cut short or damaged" if is_cut else type(error).__name__
        raise CheckpointError(f"{told}: {why}") from None


def _is_named_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)
