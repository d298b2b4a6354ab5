"""OpenVLA (Kim et al., 2024): DINOv2 and SigLIP patches, a projector, Llama 2, seven action tokens.

Made of transformers' own parts. The code that comes with the released weights is not run: it asks for
transformers 4.40 and timm 0.9, and with transformers from 4.50 on it answers without looking at the picture
(openvla/openvla, issue 346). `models.openvla_checkpoint` reads the released layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import (
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    LlamaConfig,
    LlamaForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from models.finite import check_finite
from models.generation_rules import GenerationRules
from models.token_choice import TokenChoice

#: Of both towers (timm's vision transformers).
_NORM_EPS = 1e-6


@dataclass(frozen=True)
class TowerShape:
    """A vision transformer. `layers`: of the whole tower, whose last is not run. `registers`: DINOv2's."""

    width: int
    layers: int
    heads: int
    mlp_width: int
    patch_size: int
    registers: int = 0


@dataclass(frozen=True)
class OpenVLAShape:
    """Everything that decides the tensors. `language`: the arguments of transformers' LlamaConfig."""

    image_size: int
    dino: TowerShape
    siglip: TowerShape
    language: dict[str, Any]


class Projector(nn.Module):
    """From both towers' features (B, patches, width) to the language model's (B, patches, hidden)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, hidden)
        self.fc3 = nn.Linear(hidden, hidden)

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.fc3(gelu(self.fc2(gelu(self.fc1(features)))))
        return projected


class OpenVLA(nn.Module):
    """Answers one picture and one prompt at a time, as the released model does."""

    def __init__(self, shape: OpenVLAShape) -> None:
        super().__init__()
        self.shape = shape
        self.source = "the OpenVLA"  # in messages
        self.rules: GenerationRules | None = None  # of its folder, beside greed
        self.dino = _dino(shape)
        self.siglip = _siglip(shape)
        language = LlamaConfig(**shape.language)
        self.projector = Projector(shape.dino.width + shape.siglip.width, language.hidden_size)
        self.language_model: Any = LlamaForCausalLM(language)

    def features(self, dino_pixels: Tensor, siglip_pixels: Tensor) -> Tensor:
        """Projected patches (1, patches, hidden) of a picture, normalised for either tower (1, 3, size, size).

        A tower's feature is the output of the layer before its last, without final norm, class and register
        tokens left out.
        """
        dino = self.dino.encoder(self.dino.embeddings(dino_pixels)).last_hidden_state
        siglip = self.siglip.encoder(self.siglip.embeddings(siglip_pixels)).last_hidden_state
        patches = dino[:, 1 + self.shape.dino.registers :]
        projected: Tensor = self.projector(torch.cat([patches, siglip], dim=2))
        return projected

    @torch.inference_mode()
    def generate(
        self, dino_pixels: Tensor, siglip_pixels: Tensor, input_ids: Tensor, count: int
    ) -> list[int]:
        """The `count` likeliest next tokens, one after the other, after `input_ids` (1, L).

        The picture's patches stand behind the first token. Raises NotFinite where any logit is NaN or infinite.
        """
        text = self.language_model.get_input_embeddings()(input_ids)  # (1, L, hidden)
        picture = self.features(dino_pixels, siglip_pixels).to(text.dtype)
        state = self.language_model(
            inputs_embeds=torch.cat([text[:, :1], picture, text[:, 1:]], dim=1),
            use_cache=True,
            logits_to_keep=1,
        )
        tokens: list[int] = []
        choice = TokenChoice(self.rules, torch.tensor([input_ids.shape[1]], device=input_ids.device))
        while True:
            logits = state.logits[:, -1].float()
            check_finite(self, logits, f"logits of token {len(tokens) + 1} of {count}")
            context = torch.cat([input_ids, input_ids.new_tensor([tokens])], dim=1)
            tokens.append(int(choice.adjusted(logits, context, len(tokens)).argmax()))
            if len(tokens) == count:
                return tokens
            following = torch.tensor([tokens[-1:]], device=input_ids.device)
            state = self.language_model(
                input_ids=following, past_key_values=state.past_key_values, use_cache=True
            )

    def restore_tables(self) -> None:
        """Make the tables that no checkpoint holds; needed after building without memory (device meta)."""
        rotary = self.language_model.model.rotary_emb
        self.language_model.model.rotary_emb = type(rotary)(config=self.language_model.config)
        patches = (self.shape.image_size // self.shape.siglip.patch_size) ** 2
        self.siglip.embeddings.position_ids = torch.arange(patches)[None]


def _dino(shape: OpenVLAShape) -> Any:
    tower = shape.dino
    model: Any = Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(
            image_size=shape.image_size,
            patch_size=tower.patch_size,
            hidden_size=tower.width,
            num_hidden_layers=tower.layers - 1,
            num_attention_heads=tower.heads,
            mlp_ratio=tower.mlp_width // tower.width,
            num_register_tokens=tower.registers,
            layer_norm_eps=_NORM_EPS,
        )
    )
    model.layernorm = nn.Identity()
    return model


def _siglip(shape: OpenVLAShape) -> Any:
    """With timm's exact GELU, where SigLIP's own release has the approximate one."""
    tower = shape.siglip
    model: Any = SiglipVisionModel(
        SiglipVisionConfig(
            image_size=shape.image_size,
            patch_size=tower.patch_size,
            hidden_size=tower.width,
            num_hidden_layers=tower.layers - 1,
            num_attention_heads=tower.heads,
            intermediate_size=tower.mlp_width,
            hidden_act="gelu",
            layer_norm_eps=_NORM_EPS,
            vision_use_head=False,
        )
    )
    model.post_layernorm = nn.Identity()
    return model
