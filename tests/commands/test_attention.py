"""`attention` on a saved checkpoint and real data in CALVIN's format."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image
from safetensors import safe_open

import cli
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.tokenizer import build_word_tokenizer
from tests.support import REPOSITORY
from tests.training import model_spec, training_spec


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained toy in the Hugging Face layout, with its tokenizer."""
    folder = tmp_path_factory.mktemp("checkpoint")
    spec = training_spec(1)
    recipe = recipe_of(model_spec(spec))
    ReconVLA(recipe.config, 0).save_pretrained(folder)
    build_word_tokenizer(spec["model"]["instructions"]).save_pretrained(folder)
    return folder


@pytest.fixture
def calvin_mini() -> Path:
    folder = Path(os.environ.get("BATON_CALVIN_MINI", REPOSITORY / "../shared/calvin_mini")).resolve()
    if not folder.exists():
        pytest.skip(f"no CALVIN data at {folder} (BATON_CALVIN_MINI)")
    return folder


def test_a_home_without_frames_asks_for_data(home, database, checkpoint, capsys):
    assert cli.main(["--home", str(home.root), "attention", str(checkpoint)]) == 2
    assert "--data DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"), [(["--heads", "x"], "--heads"), (["--data", "/nonexistent"], "/nonexistent")]
)
def test_wrong_options(checkpoint, tmp_path, capsys, options, says):
    assert cli.main(["--home", str(tmp_path / "none"), "attention", str(checkpoint), *options]) == 2
    assert says in capsys.readouterr().err


def test_figures_and_pictures_of_a_dataset(checkpoint, calvin_mini, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [
        "attention",
        str(checkpoint),
        "--data",
        str(calvin_mini),
        "--demonstrations",
        "2",
        "--frames",
        "6",
    ]
    assert cli.main([*arguments, "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 6 and figures["demonstrations"] == 2
    assert 0 <= figures["mass_in_gaze_ci95"][0] <= figures["mass_in_gaze"] <= figures["mass_in_gaze_ci95"][1]
    with safe_open(out / "attention.safetensors", framework="numpy") as tensors:
        assert len(tensors.get_tensor("rows")) == 6
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) == 8 and Image.open(pictures[0]).size[0] >= 200
    quick = [*arguments[:4], "--demonstrations", "1", "--frames", "2"]
    assert cli.main([*quick, "--layer", "0", "--heads", "1"]) == 0
    assert "centre prior" in capsys.readouterr().out
