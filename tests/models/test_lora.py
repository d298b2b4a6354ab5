"""LoRA adapters as PEFT and LLaVA leave them, put into the weights they were trained over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from errors import CheckpointError
from models.json_files import read_json
from models.lora import merge_adapter
from models.weight_files import open_file, open_weights
from models.weights import write_sharded, write_weights
from settings.typed import interpreter

TARGET = "model.layers.0.self_attn.q_proj"
CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "lora_dropout": 0.05, "bias": "none", "use_dora": False,
          "target_modules": ["q_proj"], "fan_in_fan_out": False, "base_model_name_or_path": "they/base"}  # fmt: skip


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    weights = {
        f"{TARGET}.weight": numbers(6, 4, dtype=torch.bfloat16),
        "lm_head.weight": numbers(5, 4, seed=1),
    }
    write_sharded(weights, folder, shard_bytes=60)
    (folder / "config.json").write_text('{"model_type": "base"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "notes.md").write_text("not copied")
    return folder


def adapter_in(folder: Path, more: dict[str, Any] | None = None, **tensors: torch.Tensor) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | (more or {})))
    factors = {f"base_model.model.{TARGET}.lora_A.weight": numbers(2, 4, seed=2),
               f"base_model.model.{TARGET}.lora_B.weight": numbers(6, 2, seed=3)}  # fmt: skip
    write_weights({**factors, **tensors}, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return adapter_in(tmp_path / "adapter")


@pytest.mark.parametrize(("more", "scale"), [({}, 4.0), ({"use_rslora": True}, 8 / 2**0.5)])
def test_factors_are_added_in_float32_and_rounded_once(
    base: Path, tmp_path: Path, more: dict[str, Any], scale: float
) -> None:
    made = merge_adapter(base, adapter_in(tmp_path / "adapter", more), folder := made_folder(tmp_path), 60)
    assert (made.added_to, made.whole, made.rank) == (1, 0, 2)
    before, after = open_weights(base), open_weights(folder)
    exact = before[f"{TARGET}.weight"].float() + numbers(6, 2, seed=3) @ numbers(2, 4, seed=2) * scale
    assert torch.equal(after[f"{TARGET}.weight"], exact.to(torch.bfloat16))
    assert torch.equal(after["lm_head.weight"], before["lm_head.weight"])
    assert list(after) == list(before)
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".json") == [
        "config.json", "model.safetensors.index.json", "tokenizer.json",
    ]  # fmt: skip
    assert not (folder / "notes.md").exists()


def made_folder(tmp_path: Path) -> Path:
    (tmp_path / "merged").mkdir()
    return tmp_path / "merged"


def test_what_was_trained_beside_it_takes_its_place_and_the_configuration_is_the_adapter_s(
    base: Path, tmp_path: Path
) -> None:
    """As LLaVA's code leaves it: a projector that its base lacks, in half precision."""
    adapter = adapter_in(tmp_path / "adapter", **{"base_model.model.lm_head.weight": numbers(5, 4, seed=7)})
    projector = numbers(3, 4, seed=8, dtype=torch.float16)
    torch.save(
        {"base_model.model.model.mm_projector.0.weight": projector}, adapter / "non_lora_trainables.bin"
    )
    (adapter / "config.json").write_text('{"model_type": "recon_qwen2"}')
    (adapter / "trainer_state.json").write_text("{}")
    made = merge_adapter(base, adapter, folder := made_folder(tmp_path))
    after = open_weights(folder)
    assert made.whole == 2
    assert torch.equal(after["lm_head.weight"], numbers(5, 4, seed=7))
    assert torch.equal(after["model.mm_projector.0.weight"], projector.float())
    assert read_json(folder / "config.json") == {"model_type": "recon_qwen2"}
    assert not (folder / "trainer_state.json").exists() and not (folder / "adapter_config.json").exists()


def test_a_pickled_adapter_is_read_for_its_tensors_alone(base: Path, adapter: Path, tmp_path: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    torch.save(dict(open_file(file)), adapter / "adapter_model.bin")
    file.unlink()
    assert merge_adapter(base, adapter, made_folder(tmp_path)).added_to == 1
    torch.save({"x": Path("/")}, adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"adapter_model\.bin holds no tensors by name, or is damaged"):
        merge_adapter(base, adapter, tmp_path / "merged")
    (adapter / "adapter_model.bin").write_bytes(b"version https://git-lfs")
    with pytest.raises(CheckpointError, match=r"adapter_model\.bin holds no tensors by name, or is damaged"):
        merge_adapter(base, adapter, tmp_path / "merged")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'; only LORA can be merged here"),
        ({"use_dora": True}, "use_dora is True, which is not computed here: merge it with the code"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern is"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out is True"),
        ({"of_tomorrow": 3}, "of_tomorrow is 3, which is not computed here"),
        ({"r": 0}, "r is 0, not a rank"),
        ({"r": True}, "r is True, not a rank"),
        ({"r": 3}, "have shapes (2, 4) and (6, 2), not of rank 3"),
        ({"lora_alpha": "x"}, "lora_alpha is 'x', not a number"),
    ],
)
def test_what_is_computed_in_another_way_is_refused_by_name(
    base: Path, tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    folder = made_folder(tmp_path)
    with pytest.raises(CheckpointError) as refused:
        merge_adapter(base, adapter_in(tmp_path / "adapter", more), folder)
    assert words in str(refused.value)
    assert list(folder.iterdir()) == []


A, B = f"base_model.model.{TARGET}.lora_A.weight", f"base_model.model.{TARGET}.lora_B.weight"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({A.replace("q_proj", "v_proj"): numbers(2, 4), B.replace("q_proj", "v_proj"): numbers(6, 2)}, "which has no"),
        ({A.replace("q_proj", "v_proj"): numbers(2, 4)}, "it has one of the two factors of"),
        ({B: numbers(7, 2)}, "has shape (6, 4) and not (7, 4)"),
        ({"base_model.model.lm_head.weight": numbers(5, 5)}, "has shape (5, 4) and not (5, 5)"),
        ({"base_model.model.embed.lora_embedding_A": numbers(2, 4)}, "is no factor of a linear layer"),
        ({A.replace("weight", "magnitude"): numbers(4)}, "is no factor of a linear layer"),
    ],
)  # fmt: skip
def test_an_adapter_of_another_model_is_refused(
    base: Path, tmp_path: Path, tensors: dict[str, torch.Tensor], words: str
) -> None:
    with pytest.raises(CheckpointError) as refused:
        merge_adapter(base, adapter_in(tmp_path / "adapter", **tensors), made_folder(tmp_path))
    assert words in str(refused.value)


def test_it_is_what_peft_merges(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs the extra `lora`")

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q_proj, self.head = torch.nn.Linear(4, 6), torch.nn.Linear(4, 5)

    layer = Layer()
    (base := tmp_path / "base").mkdir()
    write_weights(layer.state_dict(), base / "model.safetensors")
    settings = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["head"])
    adapted = peft.get_peft_model(layer, settings)
    for seed, parameter in enumerate(adapted.parameters()):
        parameter.data = numbers(*parameter.shape, seed=seed) if parameter.requires_grad else parameter.data
    adapted.save_pretrained(tmp_path / "adapter")
    merge_adapter(base, tmp_path / "adapter", folder := made_folder(tmp_path))
    theirs = adapted.merge_and_unload().state_dict()
    ours = open_weights(folder)
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-6)


def test_the_command_that_the_refusal_names_makes_a_checkpoint(
    base: Path, adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError) as refused:
        open_weights(adapter)
    told = str(refused.value)
    assert f"checkpoint merge BASE {adapter} NEW, where BASE is the folder of 'they/base'" in told
    words, new = ["checkpoint", "merge", str(base), str(adapter)], tmp_path / "new"
    assert cli.main([*words, str(new)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{new}: {base} with an adapter of rank 2 in 1 of its tensors",
        f"evaluate it: {interpreter()} cli.py evaluate {new}",
    ]
    assert len(open_weights(new)) == 2
    assert cli.main([*words, str(new)]) == 2
    assert "is there already and no empty folder" in capsys.readouterr().err
    (adapter / "adapter_config.json").write_text("{}")
    assert cli.main([*words, str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists(), "whole or not at all"
