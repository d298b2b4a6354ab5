"""A small OpenVLA with random weights, saved under the released names, and what its towers give, written out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, linear, softmax
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SIZE, PATCH, HEADS, LAYERS = 28, 14, 16, 3
DINO_WIDTH, SIGLIP_WIDTH, HIDDEN, REGISTERS = 32, 48, 32, 4
TEXT = {"model_type": "llama", "vocab_size": 32064, "hidden_size": HIDDEN, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
        "max_position_embeddings": 128, "pad_token_id": 32000, "torch_dtype": "bfloat16"}  # fmt: skip
DINO, SIGLIP = "vision_backbone.featurizer.", "vision_backbone.fused_featurizer."
STATISTICS = {
    "calvin": {
        "action": {
            "q01": [-0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -1.0],
            "q99": [0.8, 0.9, 1.0, 0.4, 0.5, 0.6, 1.0],
            "min": [-1.0] * 7,
            "max": [1.0] * 7,
            "mask": [True] * 6 + [False],
        }
    }
}


def make_openvla(folder: Path, seed: int = 0, **config: Any) -> dict[str, Tensor]:
    """Fill `folder`; the tensors by their released names. `config` replaces values of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    language = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in TEXT.items() if k != "torch_dtype"}))
    with torch.no_grad():
        language.lm_head.weight[31744:32000] *= 30  # answers are actions
    tensors = {f"language_model.{name}": tensor for name, tensor in language.state_dict().items()}
    tensors |= _tower(DINO, DINO_WIDTH, 128, classed=True) | _tower(SIGLIP, SIGLIP_WIDTH, 100, classed=False)
    width = DINO_WIDTH + SIGLIP_WIDTH
    for name, shape in (("fc1", (4 * width, width)), ("fc2", (HIDDEN, 4 * width)), ("fc3", (HIDDEN, HIDDEN))):
        tensors |= _linear(f"projector.{name}", *shape)
    tensors = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "model.safetensors")
    values = {
        "model_type": "openvla", "n_action_bins": 256, "pad_to_multiple_of": 64, "image_sizes": [SIZE, SIZE],
        "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
        "image_resize_strategy": "resize-naive", "text_config": TEXT, "norm_stats": STATISTICS,
    } | config  # fmt: skip
    (folder / "config.json").write_text(json.dumps(values))
    normalisation = {"means": [[0.484375, 0.455078125, 0.40625], [0.5] * 3],
                     "stds": [[0.228515625, 0.2236328125, 0.224609375], [0.5] * 3]}  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(normalisation))
    _tokenizer().save_pretrained(str(folder))
    return tensors


def features(tensors: Mapping[str, Tensor], dino_pixels: Tensor, siglip_pixels: Tensor) -> Tensor:
    """Projected patches as the released code makes them: each block written out."""
    dino = _run(tensors, DINO, dino_pixels)[:, 1 + REGISTERS :]
    hidden = torch.cat([dino, _run(tensors, SIGLIP, siglip_pixels)], dim=2)
    for name in ("fc1", "fc2"):
        hidden = gelu(_apply(tensors, f"projector.{name}", hidden))
    return _apply(tensors, "projector.fc3", hidden)


def _run(tensors: Mapping[str, Tensor], prefix: str, pixels: Tensor) -> Tensor:
    kernel, bias = (tensors[f"{prefix}patch_embed.proj.{kind}"] for kind in ("weight", "bias"))
    hidden = conv2d(pixels, kernel, bias, stride=PATCH).flatten(2).transpose(1, 2)
    hidden = hidden + tensors[f"{prefix}pos_embed"]
    if f"{prefix}cls_token" in tensors:
        hidden = torch.cat([tensors[f"{prefix}cls_token"], tensors[f"{prefix}reg_token"], hidden], dim=1)
    for number in range(LAYERS - 1):
        block = f"{prefix}blocks.{number}."
        hidden = hidden + _scaled(tensors, f"{block}ls1", _attend(tensors, block, hidden))
        inner = _apply(tensors, f"{block}mlp.fc1", _norm(tensors, f"{block}norm2", hidden))
        hidden = hidden + _scaled(tensors, f"{block}ls2", _apply(tensors, f"{block}mlp.fc2", gelu(inner)))
    return hidden


def _attend(tensors: Mapping[str, Tensor], block: str, hidden: Tensor) -> Tensor:
    rows, count, width = hidden.shape
    packed = _apply(tensors, f"{block}attn.qkv", _norm(tensors, f"{block}norm1", hidden))
    query, key, value = packed.reshape(rows, count, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
    weights = softmax(query @ key.transpose(-2, -1) / math.sqrt(width // HEADS), dim=-1)
    return _apply(tensors, f"{block}attn.proj", (weights @ value).transpose(1, 2).reshape(rows, count, width))


def _apply(tensors: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    return linear(hidden, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _norm(tensors: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    return layer_norm(hidden, hidden.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps=1e-6)


def _scaled(tensors: Mapping[str, Tensor], name: str, hidden: Tensor) -> Tensor:
    scale = tensors.get(f"{name}.scale_factor")
    return hidden if scale is None else hidden * scale


def _tower(prefix: str, width: int, mlp_width: int, classed: bool) -> dict[str, Tensor]:
    patches = (SIZE // PATCH) ** 2
    tower = {
        "patch_embed.proj.weight": _random(width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": _random(width),
        "pos_embed": _random(1, patches, width),
        "norm.weight": _random(width),
        "norm.bias": _random(width),
    }
    if classed:
        tower |= {"cls_token": _random(1, 1, width), "reg_token": _random(1, REGISTERS, width)}
    else:
        tower |= {"attn_pool.latent": _random(1, 1, width)}
    for number in range(LAYERS):
        block = f"blocks.{number}."
        for norm in ("norm1", "norm2"):
            tower |= {f"{block}{norm}.weight": 1 + _random(width), f"{block}{norm}.bias": _random(width)}
        tower |= _linear(f"{block}attn.qkv", 3 * width, width) | _linear(f"{block}attn.proj", width, width)
        tower |= _linear(f"{block}mlp.fc1", mlp_width, width) | _linear(f"{block}mlp.fc2", width, mlp_width)
        if classed:
            tower |= {f"{block}ls{k}.scale_factor": 1 + _random(width) for k in (1, 2)}
    return {f"{prefix}{name}": tensor for name, tensor in tower.items()}


def _linear(name: str, out: int, width: int) -> dict[str, Tensor]:
    return {f"{name}.weight": _random(out, width), f"{name}.bias": _random(out)}


def _random(*shape: int) -> Tensor:
    return torch.randn(shape) * 0.2


def _tokenizer() -> PreTrainedTokenizerFast:
    words = ["what", "action", "should", "the", "robot", "take", "to", "open", "drawer", "turn", "on", "led"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {word: 10 + k for k, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
