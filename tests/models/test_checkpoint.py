"""Checkpoints of a model."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from errors import CheckpointError, ConfigError
from models.batches import Sample, collate, draw_noise
from models.checkpoint import copy_weights, read_json, weights_of
from models.reconvla import ReconVLA
from models.weight_files import open_weights
from models.weights import write_sharded, write_weights
from tests.support import REPOSITORY


def test_saved_and_loaded_gives_the_same_losses(
    model: ReconVLA, samples: list[Sample], tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    loaded = ReconVLA.from_pretrained(tmp_path)
    assert loaded.config == model.config
    batch = collate(samples, model.config, 0)
    draws = draw_noise(model.config, len(batch), torch.Generator().manual_seed(0))
    assert torch.equal(loaded(batch, draws).total, model(batch, draws).total)
    flags = [(name, p.requires_grad) for name, p in model.named_parameters()]
    assert [(name, p.requires_grad) for name, p in loaded.named_parameters()] == flags


def test_equal_weights_equal_digest(model: ReconVLA, tmp_path: Path) -> None:
    def digest(folder: str) -> str:
        return hashlib.sha256((tmp_path / folder / "model.safetensors").read_bytes()).hexdigest()

    model.save_pretrained(tmp_path / "a")
    ReconVLA.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    assert digest("a") == digest("b")
    with torch.no_grad():
        model.projector[0].bias[0] += 1e-3
    model.save_pretrained(tmp_path / "c")
    assert digest("a") != digest("c")


def test_tied_embeddings_are_stored_once_and_stay_tied(model: ReconVLA, tmp_path: Path) -> None:
    assert not any("lm_head" in name for name in weights_of(model))
    model.save_pretrained(tmp_path)
    language = ReconVLA.from_pretrained(tmp_path).language_model
    assert language.lm_head.weight is language.model.embed_tokens.weight


def test_loading_in_place(model: ReconVLA) -> None:
    other = ReconVLA(model.config, seed=99)
    weight = other.projector[0].weight
    copy_weights(weights_of(other), weights_of(model), "memory")
    assert other.projector[0].weight is weight
    assert all(
        torch.equal(a, b) for a, b in zip(weights_of(other).values(), weights_of(model).values(), strict=True)
    )


def test_a_baseline_checkpoint_is_no_reconstructing_one(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "full")
    ReconVLA(model.config.without_reconstruction(), 0).save_pretrained(tmp_path / "bare")
    assert ReconVLA.from_pretrained(tmp_path / "bare").denoiser is None
    config = (tmp_path / "full" / "config.json").read_bytes()
    (tmp_path / "bare" / "config.json").write_bytes(config)
    with pytest.raises(
        CheckpointError, match=r"denoiser\.depth is 1 by its configuration, its tensors have 0"
    ):
        ReconVLA.from_pretrained(tmp_path / "bare")


def test_bad_folders(model: ReconVLA, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        ReconVLA.from_pretrained(tmp_path / "absent")
    model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        ReconVLA.from_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["language"]["heads"] = 7
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"language\.heads"):
        ReconVLA.from_pretrained(tmp_path)
    path.write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="does not describe a ReconVLA"):
        ReconVLA.from_pretrained(tmp_path)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        ReconVLA.from_pretrained(tmp_path)


def test_shards_are_read_like_one_file(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", shard_bytes=200_000)
    assert len(list((tmp_path / "many").glob("model-*-of-*.safetensors"))) > 2
    ReconVLA.from_pretrained(tmp_path / "many").save_pretrained(tmp_path / "again")
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "again")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("projector.0.bias"), r"1 tensors are missing: projector\.0\.bias"),
        (lambda t: t.update(extra=torch.ones(1)), "1 tensors are not part of the model: extra"),
        (lambda t: t.update({"projector.0.bias": torch.ones(7)}), r"projector\.0\.bias has shape \(7,\)"),
        (
            lambda t: t.update({"projector.0.bias": t["projector.0.bias"].long()}),
            r"projector\.0\.bias is of type int64, the model needs float32",
        ),
        (
            lambda t: t.update({"projector.0.bias": t["projector.0.bias"].half()}),
            r"types torch\.float16, torch\.float32; say with --precision",
        ),
    ],
    ids=["missing", "extra", "misshapen", "integer", "mixed"],
)
def test_a_checkpoint_that_does_not_fit(model: ReconVLA, tmp_path: Path, change, message: str) -> None:
    model.save_pretrained(tmp_path)
    tensors = dict(open_weights(tmp_path))
    change(tensors)
    write_weights(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=message):
        ReconVLA.from_pretrained(tmp_path)


def test_half_precision_leaves_the_denoiser_alone(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    half = ReconVLA.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.projector[0].weight.dtype == torch.bfloat16
    assert half.denoiser.x_embedder.proj.weight.dtype == torch.float32


_MEASURE = r"""
import re, sys
from pathlib import Path
from models.reconvla import ReconVLA
from models.checkpoint import weights_of

def peak():
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1))

ReconVLA.from_pretrained(Path(sys.argv[1]) / "little")  # what libraries allocate once
before = peak()
model = ReconVLA.from_pretrained(Path(sys.argv[1]) / "large")
size = sum(tensor.nbytes for tensor in weights_of(model).values())
loaded = peak()
model.save_pretrained(Path(sys.argv[1]) / "copy")
print((loaded - before) / size, (peak() - loaded) / size, size)
"""


def test_loading_takes_the_memory_of_the_model_once_and_saving_none(model: ReconVLA, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "little")
    config = dataclasses.replace(
        model.config,
        language=dataclasses.replace(
            model.config.language, hidden=768, mlp_width=3072, layers=2, smooth_action_init=False
        ),
    )
    with torch.device("meta"):
        empty = ReconVLA(config)
    tensors = {name: torch.zeros(tensor.shape) for name, tensor in weights_of(empty).items()}
    write_sharded(tensors, tmp_path / "large", shard_bytes=20_000_000)
    (tmp_path / "large" / "config.json").write_text(
        json.dumps({"model_type": "reconvla", **config.to_dict()})
    )
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loading, saving, size = map(float, done.stdout.split())
    assert size > 5e7
    assert 0.9 < loading < 1.35
    assert saving < 0.35


def test_an_entry_twice_in_a_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden": 8,\n "hidden": 16}')
    with pytest.raises(CheckpointError, match=r"config\.json .*line 2: the key 'hidden' is given twice"):
        read_json(tmp_path / "config.json")
