"""Official checkpoints whose vision tower lies beside them, and weights that were pickled."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
import torch

from errors import BatonError, CheckpointError
from experiments.reconvla.model_plan import backbone_folders
from experiments.reconvla.sections import Backbones
from models.assembly import assemble
from models.checkpoint import weights_of
from models.config import ReconVLAConfig
from models.folder_identity import folder_identity
from models.official_entries import official_vision
from models.pretrained import autoencoder_weights, language_weights, vision_weights
from models.reconvla import ReconVLA, build_vision_tower
from models.weight_files import open_file, open_weights
from models.weights import write_weights
from policies.checkpoint_folder import identity_of


@pytest.fixture
def whole(config: ReconVLAConfig, tmp_path: Path) -> ReconVLA:
    """Saved in the official layout without its tower, which lies beside it as transformers saves a SigLIP."""
    model = ReconVLA(config, seed=0).to(torch.bfloat16)
    model.save_pretrained(tmp_path, official_layout=True)
    rest = {name: t for name, t in open_weights(tmp_path).items() if "vision_tower" not in name}
    write_weights(rest, tmp_path / "model.safetensors")
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | {"mm_vision_tower": "somebody/siglip"}))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (beside := tmp_path / "siglip").mkdir()
    told = {"model_type": "siglip_vision_model", **official_vision(config.vision)}
    (beside / "config.json").write_text(json.dumps(told))
    tower = {f"vision_model.{name}": t.float() for name, t in model.vision_tower.state_dict().items()}
    extra = {"text_model.x": torch.ones(1), "logit_scale": torch.ones(1)}
    write_weights(tower | extra, beside / "model.safetensors")
    return model


def test_a_tower_beside_the_checkpoint_is_taken_in_its_type(whole: ReconVLA, tmp_path: Path) -> None:
    loaded = ReconVLA.from_pretrained(tmp_path)
    expected = weights_of(whole)
    for name, tensor in weights_of(loaded).items():
        if name.startswith("vision_tower."):
            assert tensor.dtype == torch.bfloat16 and torch.equal(tensor, expected[name])


def test_a_tower_that_is_not_here_is_never_random(whole: ReconVLA, tmp_path: Path) -> None:
    (tmp_path / "siglip").rename(tmp_path / "elsewhere")
    for load in (
        lambda: ReconVLA.from_pretrained(tmp_path),
        lambda: assemble(whole.config, 0, {"checkpoint": tmp_path}),
    ):
        with pytest.raises(CheckpointError, match="somebody/siglip") as refused:
            load()
        assert str(tmp_path) in str(refused.value) and "holds no vision tower" in str(refused.value)


def test_a_tower_named_by_the_user_comes_first(whole: ReconVLA, tmp_path: Path) -> None:
    other = build_vision_tower(whole.config.vision)
    other.save_pretrained(tmp_path / "mine")
    model = assemble(whole.config, 0, {"checkpoint": tmp_path, "vision": tmp_path / "mine"})
    mine = other.state_dict()
    assert all(torch.equal(t, mine[name]) for name, t in model.vision_tower.state_dict().items())


def test_the_tower_is_part_of_what_identifies_the_model(whole: ReconVLA, tmp_path: Path) -> None:
    backbones = Backbones(checkpoint=str(tmp_path))
    before, planned = identity_of(tmp_path), backbone_folders(backbones)["vision"]
    assert planned.identity == folder_identity(tmp_path / "siglip")
    tensors = dict(open_weights(tmp_path / "siglip"))
    name = next(iter(tensors))
    write_weights({**tensors, name: tensors[name] + 1}, tmp_path / "siglip" / "model.safetensors")
    assert identity_of(tmp_path) != before
    assert backbone_folders(backbones)["vision"].identity != planned.identity


def test_a_checkpoint_with_its_own_tower_names_no_other(config: ReconVLAConfig, tmp_path: Path) -> None:
    ReconVLA(config, seed=0).save_pretrained(tmp_path, official_layout=True)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert "vision" not in backbone_folders(Backbones(checkpoint=str(tmp_path)))


@pytest.mark.parametrize("shards", [1, 2])
def test_the_hint_of_pickled_weights_works_when_pasted(shards: int, tmp_path: Path) -> None:
    (folder := tmp_path / "it's a folder").mkdir()
    tied = torch.arange(4.0)
    tensors = {"a": tied, "b": tied, "c": torch.ones(2, 2, dtype=torch.bfloat16)}
    for number in range(shards):
        part = {name: t for place, (name, t) in enumerate(tensors.items()) if place % shards == number}
        name = "pytorch_model.bin" if shards == 1 else f"pytorch_model-{number + 1:05d}-of-00002.bin"
        torch.save(part, folder / name)
    with pytest.raises(CheckpointError, match="convert them: ") as refused:
        open_weights(folder)
    told = str(refused.value)
    assert "\n" not in told
    subprocess.run(["bash", "-c", told.partition("convert them: ")[2]], check=True, cwd="/")
    read = open_file(folder / "model.safetensors")
    assert set(read) == set(tensors) and all(torch.equal(read[name], t) for name, t in tensors.items())


@pytest.mark.parametrize(
    ("read", "pickled"),
    [
        (vision_weights, "pytorch_model.bin"),
        (language_weights, "pytorch_model-00001-of-00002.bin"),
        (autoencoder_weights, "diffusion_pytorch_model.bin"),
    ],
)
def test_every_part_says_how_to_convert(read, pickled: str, config: ReconVLAConfig, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / pickled).write_bytes(b"x")
    if read is autoencoder_weights:
        from models.sizes import SEVEN_B as config  # noqa: N811
    with pytest.raises(BatonError, match="convert them") as refused:
        read(config, tmp_path)
    assert shlex.quote(str(tmp_path)) in str(refused.value)
