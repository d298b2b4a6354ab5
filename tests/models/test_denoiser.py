"""The denoiser at its start; its arithmetic is compared with the official one in tests/parity."""

import torch

from models.denoiser import Denoiser, sincos_position_embedding
from models.part_configs import DenoiserConfig

SIZE = DenoiserConfig(width=32, depth=2, heads=4)


def test_a_fresh_denoiser_predicts_nothing() -> None:
    denoiser = Denoiser(SIZE, grid=4, channels=8, condition_width=24)
    latents = torch.randn(2, 8, 4, 4)
    condition = denoiser.embed_states(torch.randn(2, 16, 24))
    assert torch.equal(denoiser(latents, torch.tensor([3, 900]), condition), torch.zeros_like(latents))


def test_each_cell_hears_its_own_state() -> None:
    """With attention silenced, changing the state of one position changes the prediction there only."""
    torch.manual_seed(0)
    denoiser = Denoiser(SIZE, grid=4, channels=8, condition_width=24)
    for name, parameter in denoiser.named_parameters():
        torch.nn.init.zeros_(parameter) if "attn.proj" in name else torch.nn.init.normal_(parameter, std=0.1)
    latents, states = torch.randn(1, 8, 4, 4), torch.randn(1, 16, 24)
    changed = states.clone()
    changed[0, 6] += 1.0  # row 1, column 2
    steps = torch.tensor([10])
    with torch.no_grad():
        difference = denoiser(latents, steps, denoiser.embed_states(states)) - denoiser(
            latents, steps, denoiser.embed_states(changed)
        )
    assert torch.nonzero(difference[0].abs().sum(dim=0)).tolist() == [[1, 2]]


def test_positions_are_distinct() -> None:
    code = sincos_position_embedding(32, 5)
    assert code.shape == (25, 32)
    assert len(torch.unique(code, dim=0)) == 25
