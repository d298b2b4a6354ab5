"""Entries of an OpenVLA's folder that no shape shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from errors import CheckpointError
from models.openvla_checkpoint import load_openvla, read_config
from models.openvla_pictures import read_normalisation
from tests.models.openvla_sample import SIZE, TEXT, make_openvla

IDS = torch.tensor([[1, 12, 13, 20, 29871]])
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}


@pytest.mark.parametrize(
    "entries",
    [
        {"rope_theta": 5e5}, {"rms_norm_eps": 1e-2}, {"rope_scaling": YARN},
        {"rope_parameters": {**YARN, "rope_theta": 3e4}},
    ],
    ids=lambda entries: "-".join(entries),
)  # fmt: skip
def test_its_language_model_computes_what_its_folder_says(tmp_path: Path, entries: dict[str, Any]) -> None:
    text = {**TEXT, **entries}
    tensors = make_openvla(tmp_path, text_config=text)
    language = {name: t for name, t in tensors.items() if name.startswith("language_model.")}
    theirs = LlamaForCausalLM(
        LlamaConfig.from_dict({k: v for k, v in text.items() if k != "torch_dtype"})
    ).eval()
    theirs.load_state_dict({name.removeprefix("language_model."): t for name, t in language.items()})
    model = load_openvla(tmp_path, read_config(tmp_path))
    with torch.inference_mode():
        assert torch.equal(model.language_model(IDS).logits, theirs(IDS).logits)


@pytest.mark.parametrize(
    "entries", [{}, {"repetition_penalty": 0.05}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": [31900]}],
    ids=lambda entries: "-".join(entries) or "none",
)  # fmt: skip
def test_tokens_are_those_that_generate_chooses(tmp_path: Path, entries: dict[str, Any]) -> None:
    make_openvla(tmp_path, seed=2)
    model = load_openvla(tmp_path, read_config(tmp_path))
    pictures = [
        torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)
    ]
    plain = model.generate(*pictures, IDS, 7)
    if "suppress_tokens" in entries:
        entries = {"suppress_tokens": plain[:1]}
    (tmp_path / "generation_config.json").write_text(json.dumps(entries))
    model = load_openvla(tmp_path, read_config(tmp_path))
    found = model.generate(*pictures, IDS, 7)
    processors = model.language_model._get_logits_processor(
        GenerationConfig.from_pretrained(tmp_path), input_ids_seq_length=IDS.shape[1]
    )
    tokens: list[int] = []
    embed = model.language_model.get_input_embeddings()
    with torch.inference_mode():
        text, picture = embed(IDS), model.features(*pictures)
        states = torch.cat([text[:, :1], picture, text[:, 1:]], dim=1)
        for _ in range(7):
            answered = torch.tensor([tokens], dtype=torch.int64)
            logits = model.language_model(inputs_embeds=torch.cat([states, embed(answered)], dim=1)).logits
            scores = processors(torch.cat([IDS, answered], dim=1), logits[:, -1].float())
            tokens.append(int(scores.argmax()))
    assert found == tokens
    assert (found == plain) == (not entries or "no_repeat_ngram_size" in entries)


@pytest.mark.parametrize(
    ("name", "entries", "said"),
    [
        ("config.json", {"timm_override_act_layers": ["quick_gelu", None]}, "timm_override_act_layers is"),
        ("config.json", {"use_fused_vision_backbone": False}, "use_fused_vision_backbone is False"),
        ("config.json", {"use_proprio": True}, "use_proprio is True"),
        ("config.json", {"text_config": {**TEXT, "model_type": "mistral"}}, "text_config.model_type is 'mistral'"),
        ("config.json", {"text_config": {**TEXT, "logit_scale": 2}}, "text_config.logit_scale is 2"),
        ("preprocessor_config.json", {"image_resize_strategy": "letterbox"}, "image_resize_strategy is 'letterbox'"),
        ("preprocessor_config.json", {"interpolations": ["bilinear"] * 2}, "interpolations is"),
        ("preprocessor_config.json", {"tvf_random_crop": 3}, "tvf_random_crop is 3"),
        ("generation_config.json", {"num_beams": 4}, "num_beams is 4"),
        ("generation_config.json", {"penalty_alpha": 0.5}, "penalty_alpha is 0.5"),
        ("generation_config.json", {"eos_token_id": 31800}, "eos_token_id 31800 is one of the action tokens"),
    ],
)  # fmt: skip
def test_what_nothing_computes_is_refused_by_name(
    tmp_path: Path, name: str, entries: dict[str, Any], said: str
) -> None:
    make_openvla(tmp_path)
    file = tmp_path / name
    values = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(values | entries))
    with pytest.raises(CheckpointError) as caught:
        config = read_config(tmp_path)
        read_normalisation(tmp_path, SIZE)
        load_openvla(tmp_path, config)
    assert str(caught.value).startswith(f"{file}: {said}")


def test_the_released_entries_are_known(tmp_path: Path) -> None:
    """Those of openvla-7b, as its two files have them."""
    make_openvla(
        tmp_path, arch_specifier="no-align+fused-gelu-mlp", hf_llm_id="meta-llama/Llama-2-7b-hf",
        llm_backbone_id="llama2-7b-pure", llm_max_length=2048, output_projector_states=False,
        pad_token_id=32000, timm_override_act_layers=[None, None], use_fused_vision_backbone=True,
        vision_backbone_id="dinosiglip-vit-so-224px", torch_dtype="bfloat16", auto_map={"AutoConfig": "x"},
    )  # fmt: skip
    file = tmp_path / "preprocessor_config.json"
    crop = {"output_size": [224, 224]}
    told = json.loads(file.read_text())
    normalisation = [
        {"mean": mean, "std": std, "inplace": False} for mean, std in zip(told["means"], told["stds"])
    ]
    resizing = {"antialias": True, "interpolation": 3, "max_size": None, "size": [224, 224]}
    file.write_text(json.dumps(told | {
        "image_processor_type": "PrismaticImageProcessor", "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, 224, 224]] * 2, "interpolations": ["bicubic"] * 2, "processor_class": "PrismaticProcessor",
        "tvf_crop_params": [crop] * 2, "tvf_do_letterbox": False, "tvf_letterbox_fill": None,
        "tvf_normalize_params": normalisation, "tvf_resize_params": [resizing] * 2,
        "use_fused_vision_backbone": True, "auto_map": {"AutoImageProcessor": "x"},
    }))  # fmt: skip
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32000})
    )
    read_normalisation(tmp_path, 224)
    assert load_openvla(tmp_path, read_config(tmp_path)).rules is None
