"""GroundingDINOs of strangers, in transformers' format: sizes that no tensor has are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from detectors import grounding_dino_files
from errors import CheckpointError
from settings.shown import cut
from tests.hostile.checkpoints import HEADERS, header_file, replaced, sentence

DINO = {"encoder_layers": 1, "d_model": 32, "backbone_config": {"depths": [1, 1], "embed_dim": 8},
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
        grounding_dino_files.check_stored(folder)
    file = folder / "config.json"
    assert f"{file}: {cut(key)} is " in sentence(refused, file)


def test_a_sound_grounding_dino_passes(tmp_path: Path) -> None:
    grounding_dino_files.check_stored(dino_folder(tmp_path, DINO))


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_of_a_grounding_dino_is_looked_at_first(case: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(DINO))
    header, says = HEADERS[case]
    header_file(tmp_path / "model.safetensors", header, bytes(8))
    with pytest.raises(CheckpointError) as refused:
        grounding_dino_files.check_stored(tmp_path)
    text = sentence(refused, tmp_path)
    assert "model.safetensors" in text and says in text
