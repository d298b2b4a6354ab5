"""What tests of `evaluate` and `serve` share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from tests.training import model_spec, training_spec

RANDOM = ("evaluate", "random", "--max-steps", "5", "--simulators", "2", "--json")


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capfd.readouterr()
    assert cli.main(list(arguments)) == 0
    document: dict[str, Any] = json.loads(capfd.readouterr().out)
    return document


def refused(capfd: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    capfd.readouterr()
    assert cli.main(list(arguments)) == code
    output = capfd.readouterr()
    assert output.out == ""
    return output.err


def toy_checkpoint(folder: Path) -> Path:
    """A toy checkpoint in the Hugging Face layout, whose answers differ from picture to picture."""
    recipe = recipe_of(model_spec(training_spec(steps=1)))
    model = ReconVLA(recipe.config, seed=5)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=random)
    model.save_pretrained(folder)
    recipe.prompts.tokenizer.save_pretrained(folder)
    return folder
