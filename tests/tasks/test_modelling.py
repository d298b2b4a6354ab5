"""Where a run's weights come from: local folders, a pretrained checkpoint, or the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoint import weights_of
from models.config import config_of_size
from models.reconvla import ReconVLA, build_language_model, build_vision_tower
from models.tokenizer import build_word_tokenizer, save_tokenizer
from models.weights import write_weights
from settings.ablation import Backbones, Model
from settings.arms import ARMS
from tasks import train
from tasks.context import Finished
from tasks.model_spec import backbone_folders, planned_model
from tasks.modelling import compatible, initial_model, recipe_of, start_from
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import INSTRUCTION, training_spec, write_training_index


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A little Qwen2 with its tokenizer, and a little SigLIP."""
    place = tmp_path_factory.mktemp("backbones")
    tokenizer = build_word_tokenizer([INSTRUCTION])
    config = config_of_size("toy", len(tokenizer))
    build_language_model(config.language).save_pretrained(place / "qwen")
    save_tokenizer(tokenizer, place / "qwen")
    build_vision_tower(config.vision).save_pretrained(place / "siglip")
    return {"language": str(place / "qwen"), "vision": str(place / "siglip")}


def spec_with(folders: dict[str, str], arm: str = "recon", **model: Any) -> dict[str, Any]:
    model = Model(backbones=Backbones(**folders), **model)
    planned = planned_model(model, backbone_folders(model.backbones), ARMS[arm], 1.0, [])
    return {**training_spec(2), "model": planned}


def test_a_run_starts_from_the_folders_it_is_told(folders: dict[str, str], tmp_path: Path) -> None:
    spec = spec_with(folders)
    recipe = recipe_of(spec)
    first, second = (weights_of(initial_model(recipe, spec, seed)) for seed in (0, 1))
    same = {name for name, tensor in first.items() if torch.equal(tensor, second[name])}
    read = {name for name in first if name.startswith(("language_model.", "vision_tower."))}
    assert read <= same
    assert "projector.0.weight" not in same, "what no folder holds follows from the seed"
    files = write_training_index(tmp_path)
    inputs = [input_file("index", "index", name, path) for name, path in files.items()]
    assert isinstance(train.run(FakeContext(tmp_path / "train", spec, inputs)), Finished)


def test_a_whole_model_in_the_official_layout_is_a_beginning(folders: dict[str, str], tmp_path: Path) -> None:
    recipe = recipe_of(spec_with(folders, arm="baseline"))
    whole = ReconVLA.initialise(recipe.config, 7)
    whole.save_pretrained(tmp_path / "whole", official_layout=True)
    save_tokenizer(recipe.prompts.tokenizer, tmp_path / "whole")
    spec = spec_with({"checkpoint": str(tmp_path / "whole")})
    begun = weights_of(initial_model(recipe_of(spec), spec, 0))
    assert all(torch.equal(begun[name], tensor) for name, tensor in weights_of(whole).items())
    assert any(name.startswith("denoiser.") for name in begun)


@pytest.mark.parametrize("compat", [False, True])
def test_the_official_fine_tuning_forgets_the_pretrained_denoiser(
    folders: dict[str, str], tmp_path: Path, compat: bool
) -> None:
    spec = spec_with(folders, official_compat=compat)
    recipe = recipe_of(spec)
    pretrained = ReconVLA.initialise(recipe.config, 9)
    write_weights(weights_of(pretrained), tmp_path / "init.safetensors")
    model = initial_model(recipe, spec, 0)
    fresh = model.denoiser.x_embedder.proj.weight.clone()
    start_from(model, tmp_path / "init.safetensors")
    taken = model.denoiser.x_embedder.proj.weight
    assert torch.equal(taken, fresh if compat else pretrained.denoiser.x_embedder.proj.weight)
    assert torch.equal(model.projector[0].weight, pretrained.projector[0].weight)


def test_a_model_can_be_asked_as_the_released_server_asks_it(folders: dict[str, str]) -> None:
    recipe = recipe_of(spec_with(folders))
    official = compatible(recipe)
    assert official.config.official_compat and official.prompts.state_as_text
    assert not recipe.config.official_compat and not recipe.prompts.state_as_text
    assert recipe_of(spec_with(folders, official_compat=True)).prompts.state_as_text


def test_an_arm_without_reconstruction_leaves_the_denoiser_of_a_checkpoint(
    folders: dict[str, str], tmp_path: Path
) -> None:
    pretrained = ReconVLA.initialise(recipe_of(spec_with(folders)).config, 9)
    write_weights(weights_of(pretrained), tmp_path / "init.safetensors")
    spec = spec_with(folders, arm="baseline")
    model = initial_model(recipe_of(spec), spec, 0)
    start_from(model, tmp_path / "init.safetensors")
    assert model.denoiser is None
    assert torch.equal(model.projector[0].weight, pretrained.projector[0].weight)
