"""Weights as PyTorch pickles them, where safetensors are wanted: how they are converted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

#: Names that transformers and diffusers give them, whole or in shards.
_STEMS = ("pytorch_model", "diffusion_pytorch_model")

_LINE = (
    "import glob, torch, safetensors.torch as s; s.save_file({{n: t.clone() for f in glob.glob({files!r}) for n, t in "
    "torch.load(f, map_location='cpu', weights_only=True).items()}}, {target!r}, {{'format': 'pt'}})"
)


def how_to_convert(folder: Path, target: str) -> str:
    """ "; they lie there as ...: type ..." where the weights of `folder` are pickled, else nothing.

    target: name of the safetensors file that is wanted. The line holds a copy of all weights in memory.
    """
    for stem in _STEMS:
        for files in (f"{stem}.bin", f"{stem}-*.bin"):
            if any(folder.glob(files)):
                line = _LINE.format(files=files, target=target)
                typed = (
                    f"(cd {shlex.quote(str(folder))} && {shlex.quote(sys.executable)} -c {shlex.quote(line)})"
                )
                return f"; they lie there pickled ({files}), which is not read: convert them: {typed}"
    return ""
