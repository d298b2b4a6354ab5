"""Denoiser, schedules and sampler against the official modules.

The recording `denoiser_vit.safetensors` has no test: it is of `denoiser_vit.py`, which no official model builds
(`denoiser_vitNx` builds `denoiser_dit.py`), so there is nothing of it here.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.denoiser import Denoiser
from models.diffusion import (
    Schedule,
    add_noise,
    noise_prediction_losses,
    reverse_step,
    sample_steps,
    spaced_timesteps,
)
from models.part_configs import DenoiserConfig
from tests.parity.model_fixtures import largest_difference, read_json, read_tensors

META = read_json("denoiser/denoiser.json")
SAMPLER = read_json("denoiser/diffusion_sampler.json")


def schedule_for(respacing: str) -> Schedule:
    full = Schedule.training()
    if not respacing:
        return full
    if respacing == "ddim25":  # not asked for here, but a respacing as any other: every 40th step
        return full.respaced(range(0, len(full), 40))
    return full.respaced(spaced_timesteps(len(full), int(respacing)))


def tokens(grid: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) as the denoiser takes its condition: (B, h * w, C)."""
    return grid.flatten(2).transpose(1, 2)


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    return read_tensors("denoiser/denoiser_dit.safetensors")


@pytest.fixture(scope="module")
def denoiser(recorded: dict[str, torch.Tensor]) -> Denoiser:
    dit = META["dit"]
    size = DenoiserConfig(
        width=dit["config"]["embed_dim"], depth=dit["config"]["depth"], heads=dit["num_heads"]
    )
    grid = math.isqrt(dit["config"]["n_patches"])
    denoiser = Denoiser(size, grid, dit["config"]["x_channel"], dit["config"]["z_channel"])
    fixed = denoiser.pos_embed.clone()
    denoiser.load_state_dict(
        {
            key.removeprefix("sd.").removeprefix("net."): t
            for key, t in recorded.items()
            if key.startswith("sd.")
        }
    )
    assert largest_difference(fixed, denoiser.pos_embed) < 1e-6
    return denoiser.requires_grad_(False)


def test_network(denoiser: Denoiser, recorded: dict[str, torch.Tensor]) -> None:
    states = tokens(recorded["in.z"])
    normal = F.layer_norm(states, states.shape[-1:]).unflatten(1, (denoiser.grid, denoiser.grid))
    assert largest_difference(normal, recorded["out.ln_pre_of_z_channels_last"]) < 1e-5
    assert largest_difference(denoiser.t_embedder(recorded["in.t"]), recorded["out.t_embedder"]) < 1e-5
    # The recorded network was called without the layer norm in front of its condition.
    condition = denoiser.z_embedder(states)
    predicted = denoiser(recorded["in.x"], recorded["in.t"], condition)
    assert largest_difference(predicted, recorded["out.net"]) < 1e-5


def test_training_losses(denoiser: Denoiser, recorded: dict[str, torch.Tensor]) -> None:
    condition = denoiser.z_embedder(tokens(recorded["in.z"]))
    losses = noise_prediction_losses(
        Schedule.training(),
        lambda noisy, t: denoiser(noisy, t, condition),
        recorded["in.train_target"],
        recorded["in.train_t"],
        recorded["in.train_noise"],
    )
    assert largest_difference(losses, recorded["out.train_loss"]) < 1e-5


@pytest.mark.parametrize("name", META["dit"]["sampling"])
def test_samples(name: str, denoiser: Denoiser, recorded: dict[str, torch.Tensor]) -> None:
    case = META["dit"]["sampling"][name]
    condition = denoiser.z_embedder(tokens(recorded["in.z"][: case["batch"]]))
    *_, (sample, _) = sample_steps(
        schedule_for(case["timesteps_arg"]),
        lambda noisy, t: denoiser(noisy, t, condition),
        recorded[f"in.{name}.init_noise"],
        recorded[f"in.{name}.step_noise"],
        case["temperature"],
    )
    official = recorded[f"out.{name}"]
    assert largest_difference(sample, official) < 1e-5 * float(official.abs().max())


@pytest.mark.parametrize("name", META["schedules"])
def test_schedules(name: str) -> None:
    schedule = schedule_for(META["schedules"][name]["timestep_respacing"])
    tables = read_tensors("denoiser/diffusion_schedules.safetensors")
    of_this = {key.partition(".")[2]: tables[key].numpy() for key in tables if key.startswith(f"{name}.")}
    # Of these the sampler's variance, `fixed large`, has the first one alone.
    clipped = of_this.pop("posterior_log_variance_clipped")
    np.testing.assert_allclose(schedule.sampling_log_variance[0], clipped[0], rtol=1e-12)
    for table, official in of_this.items():
        np.testing.assert_allclose(getattr(schedule, table), official, rtol=1e-12, atol=1e-12)
    assert len(of_this) >= 8


class TestSamplerAlone:
    """The sampler with an analytic noise predictor, stated in diffusion_sampler.json."""

    recorded = read_tensors("denoiser/diffusion_sampler.safetensors")
    signal = torch.from_numpy(Schedule.training().alphas_cumprod)

    def predict(self, noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        strength = (1 - self.signal[timesteps]).sqrt().float().view(-1, 1, 1, 1)
        return strength * noisy + 0.1 * self.recorded["in.context"]

    def close(self, ours: torch.Tensor, name: str) -> bool:
        official = self.recorded[name]
        return largest_difference(ours, official) <= 1e-5 * float(official.abs().max())

    def test_forward_and_reverse_step(self) -> None:
        schedule, clean = Schedule.training(), self.recorded["in.x0"]
        steps, noise = self.recorded["in.t"], self.recorded["in.noise"]
        noisy = add_noise(schedule, clean, steps, noise)
        assert self.close(noisy, "out.q_sample")
        reverse = reverse_step(schedule, self.predict, noisy, steps)
        assert self.close(reverse.mean, "out.p_mean")
        assert self.close(reverse.log_variance.expand_as(noisy), "out.p_log_variance")
        assert self.close(reverse.clean, "out.pred_xstart")
        losses = noise_prediction_losses(schedule, self.predict, clean, steps, noise)
        assert self.close(losses, "out.training_loss")

    @pytest.mark.parametrize("run", SAMPLER["runs"], ids=lambda run: run["key"])
    def test_trajectories(self, run: dict) -> None:
        key = run["key"]
        trajectory = list(
            sample_steps(
                schedule_for(run["timestep_respacing"]),
                self.predict,
                self.recorded[f"in.{key}.init_noise"],
                self.recorded[f"in.{key}.step_noise"],
                run["temperature"],
            )
        )
        saved = [trajectory[index] for index in run["saved_step_indices"]]
        assert self.close(torch.stack([sample for sample, _ in saved]), f"out.{key}.steps")
        assert self.close(torch.stack([clean for _, clean in saved]), f"out.{key}.pred_xstart")
        assert self.close(trajectory[-1][0], f"out.{key}.final")
