from __future__ import annotations

import pytest
import torch

from errors import CheckpointError
from tasks.train.optimizer import learning_rate_at, load_optimizer, make_optimizer, optimizer_state


def test_warms_up_then_follows_a_cosine_to_zero():
    rates = [learning_rate_at(step, 100, 2.0, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0) and rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_the_schedule_is_that_of_transformers_but_for_the_warm_up_which_is_one_step_ahead():
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.AdamW(torch.nn.Linear(1, 1).parameters(), lr=2.0)
    (official,) = get_cosine_schedule_with_warmup(optimizer, 10, 100).lr_lambdas
    ours = [learning_rate_at(step, 100, 2.0, 0.1) for step in range(100)]
    assert ours[:10] == pytest.approx([2.0 * official(step + 1) for step in range(10)])
    assert ours[10:] == pytest.approx([2.0 * official(step) for step in range(10, 100)])


def two_steps(model, optimizer):
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()


def test_a_saved_optimizer_goes_on_with_the_same_bits():
    def make():
        torch.manual_seed(0)
        return torch.nn.Linear(3, 2)

    straight = make()
    optimizer = make_optimizer(straight, 0.1, 0.01)
    two_steps(straight, optimizer)
    saved = {name: tensor.clone() for name, tensor in optimizer_state(optimizer, straight).items()}
    resumed = make()
    resumed.load_state_dict(straight.state_dict())
    fresh = make_optimizer(resumed, 0.1, 0.01)
    load_optimizer(fresh, resumed, saved, "optimizer.safetensors")
    two_steps(straight, optimizer)
    two_steps(resumed, fresh)
    for left, right in zip(straight.parameters(), resumed.parameters()):
        assert torch.equal(left, right)


def test_state_of_another_model_is_refused():
    model = torch.nn.Linear(3, 2)
    optimizer = make_optimizer(model, 0.1, 0.0)
    two_steps(model, optimizer)
    saved = optimizer_state(optimizer, model)
    for other, said in (
        (torch.nn.Linear(3, 2, bias=False), "unknown parameters: bias"),
        (torch.nn.Linear(4, 2), "exp_avg of weight is missing or of another shape"),
    ):
        with pytest.raises(CheckpointError, match=said):
            load_optimizer(make_optimizer(other, 0.1, 0.0), other, dict(saved), "optimizer.safetensors")


def test_the_fused_kernel_is_adamw():
    torch.manual_seed(0)
    ours = torch.nn.Linear(3, 2)
    plain = torch.nn.Linear(3, 2)
    plain.load_state_dict(ours.state_dict())
    two_steps(ours, make_optimizer(ours, 0.1, 0.01))
    two_steps(plain, torch.optim.AdamW(plain.parameters(), lr=0.1, weight_decay=0.01, foreach=False))
    for left, right in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)
