#!/usr/bin/env bash
# torch 2.13.0 (Python 3.11, Linux, CPU).
#
# Under torch.autocast the bfloat16 copy of a float32 weight is made once and kept until the outermost block ends, and
# nothing asks whether the weight has changed since: not its version counter, which autograd looks at, nor its bytes. So
# a loop of training that stands in one block computes every loss with the weights that the block began with, while the
# optimizer moves the real ones further along one and the same gradient; and two checkpoints, or a model and its moving
# average, which are loaded into one module in turn, score exactly alike. The same under no_grad. Nothing warns. A block
# for each forward pass, or cache_enabled=False, has none of it.
#
# Seen (losses of four steps; then what a module gives for one input before and after other weights are loaded):
#   a block for each step:  0.42 0.2835 0.1967 0.1406
#   one block for all:      0.42 0.42 0.42 0.42 (the weights moved by 0.2773)
#   two checkpoints in one block are equal: True, in two: False
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0 numpy
"$work/venv/bin/python" - <<'PY'
import sys
from contextlib import nullcontext

import torch


def low():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def losses(around, inside):
    torch.manual_seed(0)
    layer, inputs, wanted = torch.nn.Linear(8, 8), torch.randn(32, 8), torch.zeros(32, 8)
    optimizer, first, told = torch.optim.SGD(layer.parameters(), lr=0.5), layer.weight.detach().clone(), []
    with around:
        for _ in range(4):
            with inside():
                loss = torch.nn.functional.mse_loss(layer(inputs), wanted.to(torch.bfloat16))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            told.append(round(loss.item(), 4))
    return told, (layer.weight - first).abs().max().item()


def two_checkpoints(around, inside):
    torch.manual_seed(1)
    layer, other, inputs = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8), torch.randn(4, 8)
    given = []
    with around, torch.no_grad():
        for state in (dict(layer.state_dict()), other.state_dict()):
            layer.load_state_dict(state)
            with inside():
                given.append(layer(inputs))
    return torch.equal(*given)


apart, _ = losses(nullcontext(), low)
one, moved = losses(low(), nullcontext)
alike = two_checkpoints(low(), nullcontext), two_checkpoints(nullcontext(), low)
print("a block for each step: ", *apart)
print("one block for all:     ", *one, f"(the weights moved by {moved:.4f})")
print(f"two checkpoints in one block are equal: {alike[0]}, in two: {alike[1]}")
holds = len(set(one)) == 1 and len(set(apart)) == 4 and moved > 0 and alike == (True, False)
sys.exit(0 if holds else 1)
PY
