"""Pretrained parts from folders that transformers and diffusers wrote."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.assembly import assemble
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.part_configs import AutoencoderConfig, LatentConfig
from models.reconvla import ReconVLA, build_language_model, build_vision_tower
from models.weight_files import open_weights
from models.weights import write_weights


def test_vision_tower(model: ReconVLA, tmp_path: Path) -> None:
    other = build_vision_tower(dataclasses.replace(model.config.vision, pooling_head=True))
    other.save_pretrained(tmp_path)
    model = assemble(model.config, 0, {"vision": tmp_path})
    theirs = other.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.vision_tower.state_dict().items())


def test_vision_half_of_a_whole_siglip(model: ReconVLA, tmp_path: Path) -> None:
    other = build_vision_tower(model.config.vision).state_dict()
    whole = {f"vision_model.{name}": tensor for name, tensor in other.items()}
    save_file(
        {**whole, "text_model.x": torch.ones(1), "logit_scale": torch.ones(1)}, tmp_path / "model.safetensors"
    )
    model = assemble(model.config, 0, {"vision": tmp_path})
    assert all(torch.equal(tensor, other[name]) for name, tensor in model.vision_tower.state_dict().items())


@pytest.mark.parametrize("tied", [True, False])
def test_language_model(config: ReconVLAConfig, tied: bool, tmp_path: Path) -> None:
    language = dataclasses.replace(config.language, tied_embeddings=tied)
    whole = dataclasses.replace(config, language=language)
    other = build_language_model(language)
    other.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    model = assemble(whole, 0, {"language": tmp_path})
    theirs = other.state_dict()
    assert all(
        torch.equal(tensor, theirs[name]) for name, tensor in model.language_model.state_dict().items()
    )


def test_autoencoder(config: ReconVLAConfig, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape)
    whole = dataclasses.replace(config, latents=latents)
    other = ReconVLA(whole, 1)
    other.latents.autoencoder.save_pretrained(tmp_path)
    model = assemble(whole, 0, {"autoencoder": tmp_path})
    theirs = other.latents.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.latents.state_dict().items())


def test_an_autoencoder_published_with_the_first_names_of_its_attention(
    config: ReconVLAConfig, tmp_path: Path
) -> None:
    """As Stable Diffusion's: diffusers still reads them."""
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape)
    whole = dataclasses.replace(config, latents=latents)
    made = ReconVLA(whole, 1)
    assert made.latents is not None
    made.latents.autoencoder.save_pretrained(tmp_path)
    file, first = tmp_path / "diffusion_pytorch_model.safetensors", {}
    for name, tensor in dict(open_weights(tmp_path, file.name)).items():
        for now, then in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace(f".attentions.0.{now}.", f".attentions.0.{then}.")
        first[name] = tensor
    assert sum("query" in name or "proj_attn" in name for name in first) == 8  # of encoder and decoder
    write_weights(first, file)
    read = assemble(whole, 0, {"autoencoder": tmp_path}).latents
    theirs = made.latents.state_dict()
    assert read is not None
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in read.state_dict().items())


def test_parts_that_are_not_given_are_those_of_a_fresh_model(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "whole")
    build_vision_tower(model.config.vision).save_pretrained(tmp_path / "vision")
    fresh = weights_of(ReconVLA(model.config, 5))
    same = assemble(model.config, 5, {})
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in weights_of(same).items())
    folders = {"checkpoint": tmp_path / "whole", "vision": tmp_path / "vision"}
    both = weights_of(assemble(model.config, 5, folders))
    theirs = weights_of(model)
    other = {name for name, tensor in both.items() if not torch.equal(tensor, theirs[name])}
    assert other and all(name.startswith("vision_tower.") for name in other)
    bare = assemble(model.config.without_reconstruction(), 5, {"checkpoint": tmp_path / "whole"})
    assert torch.equal(bare.projector[0].weight, model.projector[0].weight)


def test_a_checkpoint_without_denoiser_gets_a_fresh_one(model: ReconVLA, tmp_path: Path) -> None:
    ReconVLA(model.config.without_reconstruction(), 1).save_pretrained(tmp_path)
    whole = assemble(model.config, 3, {"checkpoint": tmp_path})
    fresh = ReconVLA(model.config, 3)
    assert torch.equal(whole.denoiser.x_embedder.proj.weight, fresh.denoiser.x_embedder.proj.weight)


def test_the_autoencoder_of_an_official_checkpoint_without_denoiser(
    config: ReconVLAConfig, tmp_path: Path
) -> None:
    """The official fine-tuning keeps it, and a fresh denoiser learns its latents."""
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    shape = AutoencoderConfig((8, 8, 8), layers_per_block=1, norm_groups=4, middle_attention=True)
    latents = LatentConfig(channels=4, cell=4, scale=0.5, shift=0.1, autoencoder=shape)
    vision = dataclasses.replace(config.vision, pooling_head=True)
    whole = dataclasses.replace(config, latents=latents, vision=vision)
    made = ReconVLA(whole, 1)
    made.save_pretrained(tmp_path, official_layout=True)
    tensors = {k: v for k, v in open_weights(tmp_path).items() if "mm_inv_projector" not in k}
    write_weights(tensors, tmp_path / "model.safetensors")
    values = json.loads((tmp_path / "config.json").read_text())
    values["reconvla_config"]["denoiser"] = None
    (tmp_path / "config.json").write_text(json.dumps(values))
    begun = assemble(whole, 5, {"checkpoint": tmp_path})
    theirs = made.latents.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in begun.latents.state_dict().items())
    bare = assemble(whole.without_reconstruction(), 5, {"checkpoint": tmp_path})
    assert bare.latents is None


def test_frozen_parts_in_half_precision(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    half = assemble(model.config, 0, {"checkpoint": tmp_path}, torch.bfloat16)
    types = {name.partition(".")[0]: tensor.dtype for name, tensor in weights_of(half).items()}
    assert types["language_model"] == types["vision_tower"] == torch.bfloat16
    assert types["projector"] == types["denoiser"] == torch.float32


def test_what_is_missing_or_does_not_fit(model: ReconVLA, tmp_path: Path) -> None:
    for part in ("vision", "language"):
        with pytest.raises(WeightsMissing, match="copy its model"):
            assemble(model.config, 0, {part: tmp_path})
    with pytest.raises(InvalidInput, match="without an autoencoder"):
        assemble(model.config, 0, {"autoencoder": tmp_path})
    build_language_model(dataclasses.replace(model.config.language, hidden=64)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"the model needs"):
        assemble(model.config, 0, {"language": tmp_path})
