"""Where the official code's recorded outputs lie; tests of an absent folder skip by name."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

_ROOT = Path(__file__).parents[2]


def parity_path(name: str) -> Path:
    root = Path(os.environ.get("BATON_PARITY", _ROOT.parent / "shared" / "parity"))
    if not (root / name).exists():
        pytest.skip(
            f"no recorded official outputs at {root / name}; set BATON_PARITY", allow_module_level=True
        )
    return root / name


def read_json(name: str) -> dict:
    return json.loads(parity_path(name).read_text())


def read_tensors(name: str) -> dict[str, torch.Tensor]:
    return load_file(parity_path(name))


def largest_difference(ours: torch.Tensor, official: torch.Tensor) -> float:
    assert ours.shape == official.shape, f"{tuple(ours.shape)} is not {tuple(official.shape)}"
    return float((ours.detach().double() - official.double()).abs().max())
