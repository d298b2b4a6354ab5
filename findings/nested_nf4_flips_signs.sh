#!/usr/bin/env bash
# bitsandbytes 0.50.2 with torch 2.13.0 (Python 3.11, Linux, CPU).
#
# NF4 keeps one scale for each 64 weights. With compress_statistics (double quantisation, bnb_4bit_use_double_quant) the
# mean of all scales is taken off and the rest is kept in 8 bits, 256 scales together. A tiny scale comes back as
# mean + rest, and the error of the rest is in proportion to the largest scales. So rows of small weights beside rows of
# usual ones do not only get coarser: their scale comes back below zero, and the whole block has its signs turned round,
# many times too large. Without double quantisation small rows lose as little as large ones. Layers whose rows begin at
# zero and have trained for a short while look like this. The usual rows hide it in any error of the whole matrix.
#
# Seen (256 rows of 64, every second row of standard deviation 1e-5, the others 0.02; the small rows only):
#   plain: signs turned 0%, length after / before 1.0, error of the whole matrix 9%
#   double: signs turned 91%, length after / before 9.8, error of the whole matrix 9%
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0
"$work/venv/bin/pip" install --quiet --no-compile bitsandbytes==0.50.2
"$work/venv/bin/python" - <<'PY'
import sys
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

torch.manual_seed(0)
weights = torch.randn(256, 64) * 0.02
weights[1::2] *= 1e-5 / 0.02
seen = {}
for name, double in (("plain", False), ("double", True)):
    packed, state = quantize_4bit(weights, blocksize=64, quant_type="nf4", compress_statistics=double)
    back = dequantize_4bit(packed, state)
    turned = (weights[1::2] * back[1::2] < 0).float().mean().item()
    length = (back[1::2].norm() / weights[1::2].norm()).item()
    whole = ((back - weights).norm() / weights.norm()).item()
    seen[name] = (turned, length, whole)
    print(f"{name}: signs turned {turned:.0%}, length after / before {length:.1f}, error of the whole matrix {whole:.0%}")
plain, double = seen["plain"], seen["double"]
sys.exit(0 if plain[0] == 0 and plain[1] < 1.1 and double[0] > 0.5 and double[1] > 5 and double[2] < 0.12 else 1)
PY
