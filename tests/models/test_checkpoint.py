"""Checkpoints of a model."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from errors import CheckpointError, ConfigError
from models.batches import Sample, collate, draw_noise
from models.checkpoint import from_pretrained, load_weights, save_pretrained, weights_of
from models.reconvla import ReconVLA


def test_saved_and_loaded_gives_the_same_losses(
    model: ReconVLA, samples: list[Sample], tmp_path: Path
) -> None:
    save_pretrained(model, tmp_path)
    loaded = from_pretrained(tmp_path)
    assert loaded.config == model.config
    batch = collate(samples, model.config, 0)
    draws = draw_noise(model.config, len(batch), torch.Generator().manual_seed(0))
    assert torch.equal(loaded(batch, draws).total, model(batch, draws).total)
    flags = [(name, p.requires_grad) for name, p in model.named_parameters()]
    assert [(name, p.requires_grad) for name, p in loaded.named_parameters()] == flags


def test_equal_weights_equal_digest(model: ReconVLA, tmp_path: Path) -> None:
    def digest(folder: str) -> str:
        return hashlib.sha256((tmp_path / folder / "model.safetensors").read_bytes()).hexdigest()

    save_pretrained(model, tmp_path / "a")
    save_pretrained(from_pretrained(tmp_path / "a"), tmp_path / "b")
    assert digest("a") == digest("b")
    with torch.no_grad():
        model.projector[0].bias[0] += 1e-3
    save_pretrained(model, tmp_path / "c")
    assert digest("a") != digest("c")


def test_tied_embeddings_are_stored_once_and_stay_tied(model: ReconVLA, tmp_path: Path) -> None:
    assert not any("lm_head" in name for name in weights_of(model))
    save_pretrained(model, tmp_path)
    language = from_pretrained(tmp_path).language_model
    assert language.lm_head.weight is language.model.embed_tokens.weight


def test_loading_in_place(model: ReconVLA) -> None:
    other = ReconVLA.initialise(model.config, seed=99)
    weight = other.projector[0].weight
    load_weights(other, weights_of(model), "memory")
    assert other.projector[0].weight is weight
    assert all(
        torch.equal(a, b) for a, b in zip(weights_of(other).values(), weights_of(model).values(), strict=True)
    )


def test_a_baseline_checkpoint_is_no_reconstructing_one(model: ReconVLA, tmp_path: Path) -> None:
    save_pretrained(model, tmp_path / "full")
    save_pretrained(ReconVLA.initialise(model.config.without_reconstruction(), 0), tmp_path / "bare")
    assert from_pretrained(tmp_path / "bare").denoiser is None
    config = (tmp_path / "full" / "config.json").read_bytes()
    (tmp_path / "bare" / "config.json").write_bytes(config)
    with pytest.raises(CheckpointError, match="tensors are missing: denoiser"):
        from_pretrained(tmp_path / "bare")


def test_bad_folders(model: ReconVLA, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        from_pretrained(tmp_path / "absent")
    save_pretrained(model, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        from_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["language"]["heads"] = 7
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"language\.heads"):
        from_pretrained(tmp_path)
    path.write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="model of ours"):
        from_pretrained(tmp_path)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        from_pretrained(tmp_path)
