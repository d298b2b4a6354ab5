"""ReconVLA (arXiv 2508.10333): a vision-language-action model that also reconstructs where it should look.

SigLIP features, projected, stand in the prompt of a Qwen2 that answers with action tokens. While training, a
denoiser reconstructs the gaze region's latents from the language model's states at the image positions, so
those states must hold it. Everything random comes in by argument.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel

from errors import InvalidInput
from models.action_tokenizer import ActionTokenizer
from models.batches import Batch, Draws
from models.checkpoint import Pretrained
from models.config import ReconVLAConfig
from models.denoiser import Denoiser
from models.diffusion import Schedule, noise_prediction_losses
from models.latents import LatentEncoder, build_latent_encoder
from models.part_configs import LanguageConfig, VisionConfig
from models.prompt import CROP_PLACEHOLDER, IGNORED_LABEL, IMAGE_PLACEHOLDER

#: Children of the model, in the order in which a checkpoint names them.
PARTS = ("vision_tower", "projector", "language_model", "latents", "denoiser")


@dataclass(frozen=True)
class Losses:
    """Scalars of one batch; `reconstruction` is None without a denoiser or a trusted gaze region."""

    total: Tensor
    action: Tensor
    reconstruction: Tensor | None


class ReconVLA(Pretrained, nn.Module):
    """The model. Initial weights follow from (config, seed), and the global generator is left alone; arms of one seed
    share those of common parts."""

    def __init__(self, config: ReconVLAConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.source = "the model"  # in messages: the folder or file that its weights are from
        self.recomputes = False  # whether activations between the language model's blocks are made anew
        self.schedule = Schedule.training()
        self.vision_tower: Any = build_part(config, "vision_tower", seed)
        self.projector: Any = build_part(config, "projector", seed)
        self.language_model: Any = build_part(config, "language_model", seed)
        self.latents: LatentEncoder | None = build_part(config, "latents", seed)
        self.denoiser: Denoiser | None = build_part(config, "denoiser", seed)

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters a training step changes, in the order of `named_parameters`."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def encode_images(self, images: Tensor) -> Tensor:
        """Vision features (B, patches, vision width) of normalised `images` (B, 3, size, size)."""
        expected = (3, self.config.vision.image_size, self.config.vision.image_size)
        if tuple(images.shape[1:]) != expected:
            raise InvalidInput(f"images must be (batch, {expected}), got {tuple(images.shape)}")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.vision.frozen):
            features = self.vision_tower.embeddings(images)
            # The official feature is hidden_states[-2], without the final norm: the last layer need not run.
            for layer in self.vision_tower.encoder.layers[:-1]:
                features = layer(features, attention_mask=None)
        return features

    def embed(self, input_ids: Tensor, images: Tensor, crops: Tensor | None = None) -> Tensor:
        """Input embeddings (B, L, hidden): projected patches at the placeholders, token embeddings elsewhere.

        `crops` are the pictures of gaze regions, like `images`, where prompts have a place for them. Raises
        InvalidInput when a row holds another number of placeholders than the image has patches.
        """
        embeddings = self.language_model.get_input_embeddings()(input_ids.clamp_min(0))
        embeddings = self._splice(embeddings, input_ids == IMAGE_PLACEHOLDER, images)
        if crops is None:
            return embeddings
        return self._splice(embeddings, input_ids == CROP_PLACEHOLDER, crops)

    def _splice(self, embeddings: Tensor, at_image: Tensor, images: Tensor) -> Tensor:
        per_row = at_image.sum(dim=1)
        has_image = per_row > 0
        if bool((per_row[has_image] != self.config.vision.patches).any()):
            raise InvalidInput(
                f"each image needs {self.config.vision.patches} positions, got {per_row.tolist()}"
            )
        projected = self.projector(self.encode_images(images))  # (B, patches, hidden)
        return embeddings.masked_scatter(at_image[..., None], projected[has_image].to(embeddings.dtype))

    def hidden_states(
        self, input_ids: Tensor, attention_mask: Tensor, images: Tensor, crops: Tensor | None = None
    ) -> Tensor:
        """Language model states (B, L, hidden) after its final norm."""
        embeddings = self.embed(input_ids, images, crops)
        # Rows are padded on the right and attention is causal, so unpadded batches need no mask at all.
        mask = None if bool(attention_mask.all()) else attention_mask
        return self.language_model.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False
        ).last_hidden_state

    def action_loss(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the next token over labelled positions; logits are made for those alone."""
        following = labels[:, 1:]
        labelled = following != IGNORED_LABEL
        logits = self.language_model.lm_head(hidden[:, :-1][labelled]).float()
        return F.cross_entropy(logits, following[labelled])

    def reconstruction_losses(
        self, hidden: Tensor, input_ids: Tensor, targets: Tensor, draws: Draws
    ) -> Tensor:
        """Denoising error per sample (B,), averaged over repeats; without an image the states are zero."""
        assert self.denoiser is not None and self.latents is not None
        at_image = input_ids == IMAGE_PLACEHOLDER
        states = hidden.new_zeros(
            len(hidden), self.config.vision.patches, hidden.shape[-1], dtype=torch.float32
        )
        states[at_image.any(dim=1)] = hidden[at_image].float().unflatten(0, (-1, self.config.vision.patches))
        with torch.autocast(hidden.device.type, enabled=False):
            clean = self.latents.encode(targets, draws.latent_noise)
            repeats = len(draws.timesteps) // len(hidden)
            condition = self.denoiser.embed_states(states).repeat(repeats, 1, 1)
            losses = noise_prediction_losses(
                self.schedule,
                lambda noisy, timesteps: self._denoise(noisy, timesteps, condition),
                clean.repeat(repeats, 1, 1, 1),
                draws.timesteps,
                draws.noise,
            )
        return losses.unflatten(0, (repeats, -1)).mean(dim=0)

    def recompute_activations(self) -> None:
        """Keep the language model's activations only between its blocks (gradient checkpointing)."""
        model, self.recomputes = self.language_model, True
        # transformers gave it another name in the course of version 5.
        name = "activation_checkpointing_enable"
        enable = getattr(model, name, None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    def forward(self, batch: Batch, draws: Draws | None) -> Losses:
        """Losses of `batch`; `draws` comes from `draw_noise` and may be None without a denoiser."""
        hidden = self.hidden_states(batch.input_ids, batch.attention_mask, batch.images, batch.crops)
        action = self.action_loss(hidden, batch.labels)
        trusted = reconstructed(self.config, batch)
        if self.config.denoiser is None or batch.targets is None or not bool(trusted.any()):
            return Losses(total=action, action=action, reconstruction=None)
        if draws is None:
            raise InvalidInput("this model reconstructs, so forward needs the draws of draw_noise")
        losses = self.reconstruction_losses(hidden, batch.input_ids, batch.targets, draws)
        if batch.target_weights is not None:
            losses = losses * batch.target_weights
        reconstruction = losses[trusted].mean()
        return Losses(action + self.config.denoiser.loss_weight * reconstruction, action, reconstruction)

    def _denoise(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        assert self.denoiser is not None
        return self.denoiser(noisy, timesteps, condition)


def build_part(config: ReconVLAConfig, part: str, seed: int) -> Any:
    """One of PARTS with weights that follow from (config, seed); None for what this arm does not have."""
    if config.denoiser is None and part in ("latents", "denoiser"):
        return None
    hidden = config.language.hidden
    with seeded(seed, part.partition("_")[0]):
        if part == "vision_tower":
            return build_vision_tower(config.vision)
        if part == "projector":
            return nn.Sequential(nn.Linear(config.vision.width, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        if part == "language_model":
            return build_language_model(config.language)
        if part == "latents":
            return build_latent_encoder(config.latents, config.reconstruction_size)
        assert part == "denoiser" and config.denoiser is not None
        return Denoiser(config.denoiser, config.vision.grid, config.latent_channels, hidden)


def reconstructed(config: ReconVLAConfig, batch: Batch) -> Tensor:
    """(B,) which samples the reconstruction loss is a mean over.

    The official code averages before it masks, so samples without an image or a trusted region train the
    denoiser too; ours do not, unless `official_compat` asks for it.
    """
    if config.denoiser is None or batch.targets is None:
        return torch.zeros_like(batch.target_mask)
    if config.official_compat:
        return torch.ones_like(batch.target_mask)
    return batch.target_mask & (batch.input_ids == IMAGE_PLACEHOLDER).any(dim=1)


def build_vision_tower(config: VisionConfig) -> Any:
    """A SigLIP vision tower; the parts that never run are frozen in any case."""
    tower = SiglipVisionModel(
        SiglipVisionConfig(
            image_size=config.image_size,
            patch_size=config.patch_size,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.mlp_width,
            hidden_act=config.hidden_act,
            layer_norm_eps=config.norm_eps,
            vision_use_head=config.pooling_head,
        )
    )
    idle = [tower.encoder.layers[-1], tower.post_layernorm, *([tower.head] if config.pooling_head else [])]
    for module in [tower] if config.frozen else idle:
        module.requires_grad_(False)
    return tower


def build_language_model(config: LanguageConfig) -> Any:
    """A Qwen2 with its output layer."""
    model = Qwen2ForCausalLM(language_config(config))
    if config.smooth_action_init:
        tokenizer = ActionTokenizer(config.action_vocab_size)
        rows = slice(tokenizer.first_id, tokenizer.vocab_size)
        centres = torch.tensor(tokenizer.centre_of_each_id(), dtype=torch.float32)
        with torch.no_grad():
            for name in ("model.embed_tokens.weight", "lm_head.weight"):
                model.get_parameter(name)[rows] = smooth_features(
                    centres, config.hidden, config.initializer_range
                )
    return model


def language_config(config: LanguageConfig) -> Qwen2Config:
    """What transformers calls it."""
    rope: dict[str, Any] = {"rope_type": "default"}
    rope |= {} if config.rope_scaling is None else config.rope_scaling.parameters()
    others: dict[str, Any] = {} if config.head_width is None else {"head_dim": config.head_width}
    if config.sliding_window is not None and config.layer_kinds is not None:
        others |= {"use_sliding_window": True, "sliding_window": config.sliding_window}
        others["layer_types"] = list(config.layer_kinds)
    return Qwen2Config(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        intermediate_size=config.mlp_width,
        max_position_embeddings=config.max_positions,
        hidden_act=config.hidden_act,
        rms_norm_eps=config.norm_eps,
        rope_parameters={**rope, "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied_embeddings,
        initializer_range=config.initializer_range,
        **others,
    )


def smooth_features(
    values: Tensor, width: int, std: float, lengthscales: tuple[float, float] = (0.03, 0.4)
) -> Tensor:
    """Random Fourier features (len(values), width) of numbers in [-1, 1], entries of deviation `std`.

    Neighbouring numbers get similar vectors, with a mixture of Gaussian kernels between the two `lengthscales`
    (Rahimi and Recht, "Random Features for Large-Scale Kernel Machines", 2007). A model trained from nothing on
    few demonstrations otherwise has to learn the order of 256 unrelated symbols.
    """
    shortest, longest = (math.log(scale) for scale in lengthscales)
    frequencies = torch.randn(width) / torch.exp(torch.empty(width).uniform_(shortest, longest))
    phases = torch.rand(width) * 2 * math.pi
    return std * math.sqrt(2) * torch.cos(values[:, None] * frequencies + phases)


@contextmanager
def seeded(seed: int, part: str) -> Iterator[None]:
    """The global CPU generator at a state that only (seed, part) decide; put back afterwards."""
    digest = hashlib.sha256(f"{seed}/{part}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it would reseed the GPUs as well.
        torch.default_generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        yield
