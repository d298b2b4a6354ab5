#!/usr/bin/env bash
# torch 2.13.0 (Python 3.11, Linux, CPU).
#
# Numbers of one seed: torch.rand(n) begins like torch.rand(m) for every m > n. torch.randn does not keep this on the
# CPU. Below 16 numbers it draws in another way, so 15 and 16 share none. From 16 on it works in blocks of 16; a rest is
# filled by drawing the last 16 numbers once more, which puts new values over up to 15 that were there already. So the
# noise of the first sample depends on how many samples are drawn with it, unless its size is a multiple of 16. Draw
# noise for each sample by itself, with a seed of its own, where results must not depend on the batch.
#
# Seen (how many of the first n numbers are those of the longer draw):
#   15 of 16:  rand 15, randn 0
#   16 of 32:  rand 16, randn 16
#   17 of 32:  rand 17, randn 1
#   35 of 70:  rand 35, randn 19
#   64 of 128: rand 64, randn 64
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0
"$work/venv/bin/python" - <<'PY'
import sys
import torch


def shared(draw, short, long):
    few, many = (draw(n, generator=torch.Generator().manual_seed(7)) for n in (short, long))
    return (few == many[:short]).sum().item()


seen = {}
for short, long in ((15, 16), (16, 32), (17, 32), (35, 70), (64, 128)):
    seen[short] = shared(torch.rand, short, long), shared(torch.randn, short, long)
    print(f"{f'{short} of {long}:':10} rand {seen[short][0]}, randn {seen[short][1]}")
holds = all(same == short for short, (same, _) in seen.items())
sys.exit(0 if holds and [normal for _, normal in seen.values()] == [0, 16, 1, 19, 64] else 1)
PY
