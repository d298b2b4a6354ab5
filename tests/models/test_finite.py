"""Numbers that are not finite never become an action or a figure: wherever they come from, the sentence names the
source, the precision and what helps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from errors import CheckpointError, NotFinite
from models.attention import action_attention
from models.batches import Sample, collate
from models.finite import check_finite_steps, precision_of
from models.four_bit import pack_blocks
from models.generation import generate_actions, plain_tokens, prompt_batch
from models.prompt import PromptBuilder
from models.reconstruction import reconstruct
from models.reconvla import ReconVLA
from tests.models.conftest import INSTRUCTIONS

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def requests(samples: list[Sample], prompts: PromptBuilder):
    return [sample.image for sample in samples[:3]], [
        prompts.prompt(text, np.zeros(15)) for text in INSTRUCTIONS
    ]


@pytest.mark.parametrize("constrained", [False, True], ids=["all tokens", "action tokens only"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_one_logit_that_is_not_finite_is_no_choice(
    model: ReconVLA, requests, prompts: PromptBuilder, value: float, constrained: bool
) -> None:
    """Plus infinity would win every choice, and the others hide among tokens that are not looked at."""
    with torch.no_grad():
        model.language_model.lm_head.weight[7] = value  # no action token
    with pytest.raises(
        NotFinite, match=r"the model gives numbers that are not finite in fp32 \(logits of row 1"
    ):
        generate_actions(model, *requests, constrained=constrained)


def test_minus_infinity_for_every_action_is_no_choice(
    model: ReconVLA, requests, prompts: PromptBuilder
) -> None:
    with torch.no_grad():
        model.language_model.lm_head.weight[prompts.actions.first_id :] = -INF
    with pytest.raises(NotFinite, match="not finite in fp32"):
        generate_actions(model, *requests, constrained=True)


@pytest.mark.parametrize("token", [1, 9])
def test_the_row_and_the_token_are_named(
    model: ReconVLA, requests, monkeypatch: pytest.MonkeyPatch, token: int
) -> None:
    """Of a batch whose other rows are sound, also behind the key-value cache, where the first pass tells nothing."""
    images, texts = requests
    passes = 0
    run = model.language_model.model.forward

    def overflowing(*arguments, **named):
        nonlocal passes
        passes += 1
        answer = run(*arguments, **named)
        if passes == token:
            answer.last_hidden_state[1] *= INF
        return answer

    monkeypatch.setattr(model.language_model.model, "forward", overflowing)
    with pytest.raises(NotFinite, match=f"row 2 of 3, token {token} of 12"):
        plain_tokens(model, prompt_batch(model, images, texts), 12)


def test_half_precision_overflows_where_whole_numbers_do_not(model: ReconVLA, requests) -> None:
    """States beyond 65,504: finite in fp32 and bf16, and infinite, then NaN, in fp16."""
    with torch.no_grad():
        model.language_model.model.layers[1].mlp.down_proj.weight *= 1e7
    for dtype in (torch.float32, torch.bfloat16):
        assert generate_actions(model.to(dtype), *requests).actions.shape == (3, 5, 7)
    model.source = "here/qwen2"
    with pytest.raises(
        NotFinite,
        match=r"here/qwen2 gives numbers .* in fp16 \(.*\): bf16 and fp32 reach further \(--precision",
    ):
        generate_actions(model.to(torch.float16), *requests)


def test_the_precision_of_autocast_is_told(model: ReconVLA) -> None:
    assert precision_of(model) == "fp32"
    with torch.autocast("cpu", torch.float16):
        assert precision_of(model) == "fp16"
    assert precision_of(model.to(torch.bfloat16)) == "bf16"


def test_what_never_runs_may_be_damaged(model: ReconVLA, requests) -> None:
    """The tower's last layer and its pooling head are in every checkpoint and in no answer."""
    whole = generate_actions(model, *requests)
    with torch.no_grad():
        for parameter in model.vision_tower.encoder.layers[-1].parameters():
            parameter.fill_(NAN)
    np.testing.assert_array_equal(generate_actions(model, *requests).token_ids, whole.token_ids)


def test_steps_that_are_finite_pass(model: ReconVLA) -> None:
    steps = torch.ones(2, 3, dtype=torch.bool)
    check_finite_steps(model, steps, "logits")
    steps[1, 2] = False
    with pytest.raises(NotFinite, match="logits of row 2 of 2, token 3 of 3"):
        check_finite_steps(model, steps, "logits")


def test_attention_that_overflows_beside_the_fused_kernel_is_no_map(model: ReconVLA, requests) -> None:
    images, texts = requests
    tokens = generate_actions(model, images, texts).token_ids
    with torch.no_grad():
        model.language_model.model.layers[0].self_attn.k_proj.bias.fill_(INF)
    with pytest.raises(NotFinite, match="attention weights of layer 0"):
        action_attention(model, images, texts, tokens, layer=0)


@pytest.mark.parametrize("part", ["denoiser", "latents", "language_model"])
def test_pictures_are_not_made_of_what_is_none(model: ReconVLA, samples: list[Sample], part: str) -> None:
    if part == "latents" and not list(model.latents.parameters()):
        pytest.skip("the toy's latents have no weights")
    with torch.no_grad():
        for parameter in getattr(model, part).parameters():
            parameter.fill_(NAN)
    batch = collate(samples[:3], model.config, pad_id=0)
    with pytest.raises(NotFinite, match=r"states|pictures"):
        reconstruct(model, batch, torch.Generator().manual_seed(0), steps=2)


@pytest.mark.parametrize("value", [NAN, INF])
def test_weights_that_are_no_numbers_are_not_packed(model: ReconVLA, value: float) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra `qlora`")
    with torch.no_grad():
        model.language_model.model.layers[1].mlp.up_proj.weight[0, 0] = value
    with pytest.raises(
        CheckpointError, match=r"layers\.1\.mlp\.up_proj\.weight holds numbers that are not finite"
    ):
        pack_blocks(model.language_model, torch.float16)


def test_a_loaded_model_is_called_by_its_folder(model: ReconVLA, tmp_path: Path, requests) -> None:
    with torch.no_grad():
        model.language_model.model.norm.weight.fill_(NAN)
    model.save_pretrained(tmp_path)
    with pytest.raises(NotFinite, match=f"^{tmp_path} gives numbers"):
        generate_actions(ReconVLA.from_pretrained(tmp_path), *requests)
