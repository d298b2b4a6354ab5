"""A trained model in the official layout: what loads it, and that it acts as the run's own weights do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, Qwen2ForCausalLM

from errors import CheckpointError
from models.checkpoint import weights_of
from models.export import export_model, note_on
from models.folder_identity import folder_identity
from models.generation import greedy_tokens, prompt_batch
from models.recipe import Recipe, load_model, recipe_of
from models.reconvla import ReconVLA
from models.sizes import SEVEN_B
from models.spec import Folder, ModelSpec
from models.tokenizer import build_word_tokenizer
from models.weights import write_weights
from policies.checkpoint_folder import open_folder
from tests.training import INSTRUCTION, model_spec, training_spec


def trained(spec: ModelSpec, place: Path, half: bool = False) -> Path:
    """Weights of a job, whose answers differ from picture to picture. half: as adapters over bf16 leave them."""
    model = ReconVLA(recipe_of(spec).config, seed=5)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed" not in name and "norm" not in name:
                parameter.normal_(0.0, 0.3, generator=random)
    if half:
        model.language_model.bfloat16()
        model.vision_tower.bfloat16()
    write_weights(weights_of(model), place)
    return place


def toy(arm: str = "recon") -> ModelSpec:
    return model_spec(training_spec(steps=1, arm=arm))


def exported(
    spec: ModelSpec, tmp_path: Path, judged_in: str = "fp32", half: bool = False
) -> tuple[Path, Path]:
    """The weights of a job, and the folder that they were exported to."""
    weights, folder = trained(spec, tmp_path / "weights.safetensors", half), tmp_path / "folder"
    folder.mkdir()
    export_model(spec, weights, judged_in, folder, ["recon seed 0"])
    return weights, folder


def answers(model: ReconVLA, recipe: Recipe, count: int = 3) -> np.ndarray:
    """Token ids for a few pictures."""
    random, size = np.random.default_rng(1), model.config.vision.image_size
    pictures = [random.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]
    crop = model.config.grounding == "crop"
    prompts = [recipe.prompts.prompt(INSTRUCTION, random.normal(size=15), crop) for _ in range(count)]
    batch = prompt_batch(model.eval(), pictures, prompts, None, pictures[::-1] if crop else None)
    return greedy_tokens(model, batch, count=model.config.answer_tokens)


@pytest.mark.parametrize(
    "arm", ["baseline", "recon", "whole_image_recon", "explicit_grounding", "cot_grounding"]
)
def test_the_folder_answers_token_for_token_as_the_weights_do(arm: str, tmp_path: Path) -> None:
    weights, folder = exported(toy(arm), tmp_path)
    recipe = recipe_of(toy(arm))
    own = load_model(recipe.config, weights)
    model, its = open_folder(folder)
    assert its.config == recipe.config
    assert all(torch.equal(weights_of(model)[name].cpu(), tensor) for name, tensor in weights_of(own).items())
    expected = answers(own, recipe)
    assert len(np.unique(expected, axis=0)) == 3 and len(np.unique(expected)) > 30, "else it would say little"
    np.testing.assert_array_equal(answers(model.cpu(), its), expected)


def test_transformers_loads_the_language_model_and_the_tokenizer(tmp_path: Path) -> None:
    weights, folder = exported(toy(), tmp_path)
    recipe = recipe_of(toy())
    language = load_model(recipe.config, weights).language_model.eval()
    loaded, told = Qwen2ForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"] and not told["mismatched_keys"]
    assert all(
        name.startswith(("model.vision_tower.", "model.mm_", "model.pixel_decoder."))
        for name in told["unexpected_keys"]
    )
    ids = torch.arange(12)[None] % language.config.vocab_size
    torch.testing.assert_close(loaded.eval()(ids).logits, language(ids).logits, rtol=0, atol=0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = f"{INSTRUCTION}<|im_end|> unheard"
    assert tokenizer(text).input_ids == recipe.prompts.tokenizer(text).input_ids
    with pytest.raises(ValueError, match="recon_qwen2"):
        AutoConfig.from_pretrained(folder)


def test_weights_of_several_types_get_the_one_that_the_run_is_judged_in(tmp_path: Path) -> None:
    weights, folder = exported(toy(), tmp_path, "bf16", half=True)
    model, its = open_folder(folder)
    assert model.projector[0].weight.dtype == torch.bfloat16 and model.denoiser is not None
    assert model.denoiser.pos_embed.dtype == torch.float32
    judged = load_model(its.config, weights, "bf16")
    np.testing.assert_array_equal(answers(model.cpu(), its), answers(judged, its))


def test_a_pretrained_tokenizer_is_taken_along_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "tokenizer"
    build_word_tokenizer([INSTRUCTION, "turn on the led"]).save_pretrained(place)
    spec = dataclasses.replace(
        toy(), tokenizer=Folder(root=str(place), identity=folder_identity(place)), instructions=None
    )
    _, folder = exported(spec, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (place / name).read_bytes()
    build_word_tokenizer(["another word"]).save_pretrained(place)
    (tmp_path / "other").mkdir()
    with pytest.raises(CheckpointError, match="holds another tokenizer than the run was trained with"):
        export_model(spec, tmp_path / "weights.safetensors", "fp32", tmp_path / "other", [])


def test_a_folder_says_what_it_is_and_what_loads_it(tmp_path: Path) -> None:
    _, folder = exported(toy(), tmp_path)
    page = (folder / "README.md").read_text()
    assert "* recon seed 0\n* weights in fp32\n* a toy: " in page and "Qwen2ForCausalLM" in page
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["ReconQwen2ForCausalLM"]
    assert "a fixed projection" not in note_on(recipe_of(toy("baseline")).config)
    assert "./siglip-so400m-patch14-384 and ./pretrained_vae" in note_on(SEVEN_B)
    assert note_on(SEVEN_B.without_reconstruction()).endswith("(./siglip-so400m-patch14-384)")
