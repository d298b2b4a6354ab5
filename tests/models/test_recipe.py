"""Where a run's weights come from: local folders, a pretrained checkpoint, or the seed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2ForCausalLM

from errors import CheckpointError, ConfigError
from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import backbone_folders, planned_config, planned_model
from experiments.reconvla.sections import Backbones, Model
from models.checkpoint import weights_of
from models.recipe import compatible, initial_model, load_model, recipe_of, start_from
from models.reconvla import ReconVLA, build_language_model, build_vision_tower
from models.sizes import config_of_size
from models.tokenizer import build_word_tokenizer
from models.weights import write_weights
from policies.checkpoint_folder import open_folder
from settings.typed_json import to_json
from tasks.context import Finished
from tasks.train import run as train
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import INSTRUCTION, model_spec, training_spec, write_training_index


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A little Qwen2 with its tokenizer, and a little SigLIP."""
    place = tmp_path_factory.mktemp("backbones")
    tokenizer = build_word_tokenizer([INSTRUCTION])
    config = config_of_size("toy", len(tokenizer))
    build_language_model(config.language).save_pretrained(place / "qwen")
    tokenizer.save_pretrained(place / "qwen")
    build_vision_tower(config.vision).save_pretrained(place / "siglip")
    return {"language": str(place / "qwen"), "vision": str(place / "siglip")}


def spec_with(folders: dict[str, str], arm: str = "recon", **model: Any) -> dict[str, Any]:
    model = Model(backbones=Backbones(**folders), **model)
    planned = to_json(planned_model(model, backbone_folders(model.backbones), built_in_method(arm), 1.0, []))
    return {**training_spec(2), "model": planned}


def test_a_run_starts_from_the_folders_it_is_told(folders: dict[str, str], tmp_path: Path) -> None:
    spec = spec_with(folders)
    recipe = recipe_of(model_spec(spec))
    first, second = (weights_of(initial_model(recipe, model_spec(spec), seed)) for seed in (0, 1))
    same = {name for name, tensor in first.items() if torch.equal(tensor, second[name])}
    read = {name for name in first if name.startswith(("language_model.", "vision_tower."))}
    assert read <= same
    assert "projector.0.weight" not in same, "what no folder holds follows from the seed"
    files = write_training_index(tmp_path)
    inputs = [input_file("index", "index", name, path) for name, path in files.items()]
    assert isinstance(train.run(FakeContext(tmp_path / "train", spec, inputs)), Finished)


def test_a_whole_model_in_the_official_layout_is_a_beginning(folders: dict[str, str], tmp_path: Path) -> None:
    recipe = recipe_of(model_spec(spec_with(folders, arm="baseline")))
    whole = ReconVLA(recipe.config, 7)
    whole.save_pretrained(tmp_path / "whole", official_layout=True)
    recipe.prompts.tokenizer.save_pretrained(tmp_path / "whole")
    spec = spec_with({"checkpoint": str(tmp_path / "whole")})
    begun = weights_of(initial_model(recipe_of(model_spec(spec)), model_spec(spec), 0))
    assert all(torch.equal(begun[name], tensor) for name, tensor in weights_of(whole).items())
    assert any(name.startswith("denoiser.") for name in begun)


@pytest.mark.parametrize("compat", [False, True])
def test_the_official_fine_tuning_forgets_the_pretrained_denoiser(
    folders: dict[str, str], tmp_path: Path, compat: bool
) -> None:
    spec = spec_with(folders, official_compat=compat)
    recipe = recipe_of(model_spec(spec))
    pretrained = ReconVLA(recipe.config, 9)
    write_weights(weights_of(pretrained), tmp_path / "init.safetensors")
    model = initial_model(recipe, model_spec(spec), 0)
    fresh = model.denoiser.x_embedder.proj.weight.clone()
    start_from(model, tmp_path / "init.safetensors")
    taken = model.denoiser.x_embedder.proj.weight
    assert torch.equal(taken, fresh if compat else pretrained.denoiser.x_embedder.proj.weight)
    assert torch.equal(model.projector[0].weight, pretrained.projector[0].weight)


def test_a_model_can_be_asked_as_the_released_server_asks_it(folders: dict[str, str]) -> None:
    recipe = recipe_of(model_spec(spec_with(folders)))
    official = compatible(recipe)
    assert official.config.official_compat and official.prompts.state_as_text
    assert not recipe.config.official_compat and not recipe.prompts.state_as_text
    assert recipe_of(model_spec(spec_with(folders, official_compat=True))).prompts.state_as_text


def test_an_arm_without_reconstruction_leaves_the_denoiser_of_a_checkpoint(
    folders: dict[str, str], tmp_path: Path
) -> None:
    pretrained = ReconVLA(recipe_of(model_spec(spec_with(folders))).config, 9)
    write_weights(weights_of(pretrained), tmp_path / "init.safetensors")
    spec = spec_with(folders, arm="baseline")
    model = initial_model(recipe_of(model_spec(spec)), model_spec(spec), 0)
    start_from(model, tmp_path / "init.safetensors")
    assert model.denoiser is None
    assert torch.equal(model.projector[0].weight, pretrained.projector[0].weight)


def edit(folder: Path, name: str = "config.json", **entries: Any) -> Path:
    """Another folder like `folder`, with these entries in one of its files."""
    file = folder / name
    values = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(values | entries))
    return folder


@pytest.fixture
def others(folders: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same weights under configurations that decide other figures."""
    for name, place in folders.items():
        shutil.copytree(place, tmp_path / name)
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 1e5}
    edit(tmp_path / "language", rope_parameters=yarn, rms_norm_eps=1e-3)
    edit(tmp_path / "language", "generation_config.json", repetition_penalty=1.3)
    edit(tmp_path / "vision", layer_norm_eps=1e-3)
    edit(
        tmp_path / "vision", "preprocessor_config.json", image_mean=[0.4] * 3, image_std=[0.3] * 3, resample=2
    )
    return {name: str(tmp_path / name) for name in folders}


def test_a_plan_holds_what_the_folders_say(folders: dict[str, str], others: dict[str, str]) -> None:
    plain, config = (spec_with(named)["model"]["config"] for named in (folders, others))
    assert plain == planned_config("toy", {}, built_in_method("recon")), (
        "what says nothing new leaves the keys as they were"
    )
    assert config["language"]["rope_theta"] == 1e5
    assert config["language"]["rope_scaling"]["rope_type"] == "yarn"
    assert (config["language"]["norm_eps"], config["vision"]["norm_eps"]) == (1e-3, 1e-3)
    assert (config["vision"]["image_mean"], config["vision"]["resample"]) == ([0.4] * 3, "bilinear")
    assert config["generation"]["repetition_penalty"] == 1.3
    again = recipe_of(model_spec(spec_with(others))).config.to_dict() | {"language": config["language"]}
    assert json.loads(json.dumps(config)) == json.loads(json.dumps(again)), "and a job reads it back"


def test_the_users_word_against_a_folder(others: dict[str, str]) -> None:
    with pytest.raises(
        ConfigError, match=r"model\.override\.language\.norm_eps is 1e-06, but .*config\.json says"
    ):
        spec_with(others, override={"language": {"norm_eps": 1e-6}})
    with pytest.raises(ConfigError, match=r"model\.override\.vision\.image_mean is \[0\.5"):
        spec_with(others, override={"vision": {"image_mean": [0.5] * 3}})
    spec_with(others, override={"language": {"norm_eps": 1e-3}})


def test_trained_resumed_and_judged_with_what_the_folders_say(others: dict[str, str], tmp_path: Path) -> None:
    spec = spec_with(others)
    recipe = recipe_of(model_spec(spec))
    model = initial_model(recipe, model_spec(spec), 0)
    assert model.config == recipe.config
    write_weights(weights_of(model), tmp_path / "weights.safetensors")
    again = load_model(recipe.config, tmp_path / "weights.safetensors")
    ids = torch.arange(20)[None]
    theirs = Qwen2ForCausalLM.from_pretrained(others["language"]).eval()
    with torch.no_grad():
        expected = theirs(ids).logits
        assert torch.equal(again.language_model.eval()(ids).logits, expected)
    again.save_pretrained(tmp_path / "folder")
    recipe.prompts.tokenizer.save_pretrained(tmp_path / "folder")
    loaded, its = open_folder(tmp_path / "folder")
    assert loaded.config == its.config == recipe.config
    with torch.no_grad():
        assert torch.equal(loaded.language_model.cpu().eval()(ids).logits, expected)


def test_a_folder_that_changed_since_the_plan(others: dict[str, str]) -> None:
    spec = spec_with(others)
    edit(Path(others["language"]), rms_norm_eps=1e-2)
    with pytest.raises(CheckpointError, match=r"model\.backbones\.language\) has changed since the ablation"):
        initial_model(recipe_of(model_spec(spec)), model_spec(spec), 0)


def test_a_job_of_the_time_when_configurations_were_not_read(others: dict[str, str]) -> None:
    spec = spec_with(others)
    spec["model"]["config"] = planned_config("toy", {}, built_in_method("recon"))
    with pytest.raises(
        CheckpointError, match=r"language\.norm_eps 1e-06, there 0\.001.*submit the ablation again"
    ):
        initial_model(recipe_of(model_spec(spec)), model_spec(spec), 0)
