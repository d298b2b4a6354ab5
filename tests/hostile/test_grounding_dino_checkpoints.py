"""GroundingDINOs of strangers, in transformers' format: sizes that no tensor has are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from detectors.grounding_dino import files
from errors import CheckpointError
from settings.shown import cut
from tests.hostile.checkpoints import HEADERS, header_file, replaced
from tests.hostile.sentences import sentence

DINO = {"model_type": "grounding-dino", "encoder_layers": 1, "d_model": 32,
        "backbone_config": {"depths": [1, 1], "embed_dim": 8},
        "text_config": {"vocab_size": 40, "num_hidden_layers": 1, "max_position_embeddings": 512}}  # fmt: skip
DINO_TENSORS = {"a": torch.zeros(40, 32), "b": torch.zeros(512, 8), "c": torch.zeros(1)}


def dino_folder(folder: Path, values: Any) -> Path:
    save_file(DINO_TENSORS, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("encoder_layers", n) for n in (4, 10**7, 2**62, 10**90)),
        ("backbone_config.depths", [1, 10**7]),
        ("backbone_config.embed_dim", 2**62),
        ("text_config.vocab_size", 2**62),
        ("text_config.num_hidden_layers", 10**7),
        ("text_config.max_position_embeddings", 10**9),
        ("d_model", -(2**62)),
        ("num_queries", 10**9),
        ("decoder_ffn_dim", 1e300),
        ("x" * 5000, {"layers": [{"y": 10**7}], "blocks": 4}),
    ],
)
def test_a_size_that_no_tensor_of_a_grounding_dino_has_is_refused(
    key: str, value: Any, tmp_path: Path
) -> None:
    folder = dino_folder(tmp_path, replaced(DINO, key, value))
    with pytest.raises(CheckpointError, match="more than its weights have") as refused:
        files.check_stored(folder)
    file = folder / "config.json"
    assert f"{file}: {cut(key)} is " in sentence(refused, file)


def test_a_sound_grounding_dino_passes(tmp_path: Path) -> None:
    files.check_stored(dino_folder(tmp_path, DINO))


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_of_a_grounding_dino_is_looked_at_first(case: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DINO))
    header, says = HEADERS[case]
    header_file(tmp_path / "model.safetensors", header, bytes(8))
    with pytest.raises(CheckpointError) as refused:
        files.check_stored(tmp_path)
    text = sentence(refused, tmp_path)
    assert "model.safetensors" in text and says in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_norm_eps", float("nan")),
        ("text_config.layer_norm_eps", float("inf")),
        ("backbone_config.drop", [0.1, float("-inf")]),
    ],
)
def test_a_number_of_its_configuration_is_finite(key: str, value: Any, tmp_path: Path) -> None:
    folder = dino_folder(tmp_path, replaced(DINO, key, value))
    with pytest.raises(CheckpointError) as refused:
        files.check_stored(folder)
    text = sentence(refused, folder / "config.json")
    assert f"{key} is " in text and text.endswith("numbers must be finite")


ELSEWHERE = {
    "_attn_implementation_internal": "somebody/else",
    "attn_implementation": "somebody/else",
    "text_config._attn_implementation": "flash_attention_3",
    "backbone_config.attn_implementation": {"": "somebody/else"},
    "backbone": "somebody/else",
    "use_timm_backbone": True,
    "use_pretrained_backbone": 1,
    "backbone_config.model_type": "timm_backbone",
    "quantization_config": {"quant_method": "somebody"},
    "text_config.quantization_config": {"load_in_8bit": True},
    "transformers_weights": "else.safetensors",
    "model_type": "somebody",
}


def with_entry(values: Any, key: str, value: Any) -> Any:
    first, _, rest = key.partition(".")
    return values | {first: with_entry(values.get(first, {}), rest, value) if rest else value}


@pytest.mark.parametrize("key", ELSEWHERE)
def test_an_entry_leads_to_nothing_outside_of_its_folder(key: str, tmp_path: Path) -> None:
    folder = dino_folder(tmp_path, with_entry(DINO, key, ELSEWHERE[key]))
    with pytest.raises(CheckpointError) as refused:
        files.check_stored(folder)
    file = folder / "config.json"
    assert f"{file}: {key} is " in sentence(refused, file)


def test_entries_that_are_off_pass(tmp_path: Path) -> None:
    values: Any = DINO
    for key in ELSEWHERE.keys() - {"model_type", "backbone_config.model_type"}:
        values = with_entry(values, key, "sdpa" if key.endswith("implementation") else None)
    files.check_stored(dino_folder(tmp_path, values | {"_attn_implementation_autoset": True}))


@pytest.mark.parametrize(
    "index",
    [
        {"weight_map": {"a": "../model.safetensors"}},
        {"weight_map": {"a": "pytorch_model.bin"}},
        {"weight_map": {"a": 5}},
        {"weight_map": []},
        [],
    ],
)
def test_an_index_names_files_of_its_folder(index: Any, tmp_path: Path) -> None:
    folder = dino_folder(tmp_path, DINO)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="weight_map") as refused:
        files.check_stored(folder)
    assert "model.safetensors.index.json" in sentence(refused, folder)
    assert files.missing_parts(folder)[-1] == "a readable model.safetensors.index.json"
