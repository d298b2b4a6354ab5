"""Blocks in 4 bits: what they answer does not hang on the CPU, nor does judging change what is stored."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen2Config, Qwen2Model

from models.four_bit import pack_blocks, plain_weight

bitsandbytes = pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")


@pytest.mark.parametrize("width", [96, 128], ids=["blocks end within a row", "blocks end with a row"])
def test_judging_leaves_the_weights_as_they_are_stored(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: True)
    torch.manual_seed(0)
    language = Qwen2Model(
        Qwen2Config(
            vocab_size=8,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    ).eval()
    layer = language.layers[0].mlp.gate_proj
    pack_blocks(language, torch.float32)
    packed = language.layers[0].mlp.gate_proj
    stored = packed.weight.data.clone()
    plain = plain_weight(packed)
    assert (plain - layer.weight).abs().max() < 0.1 * layer.weight.abs().max() + 0.05

    with torch.no_grad():
        answered = packed(torch.eye(width))
        language(torch.arange(8)[None])
    torch.testing.assert_close(answered.T, plain)
    assert torch.equal(packed.weight.data, stored)
    assert torch.equal(plain_weight(packed), plain)
