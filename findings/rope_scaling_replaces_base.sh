#!/usr/bin/env bash
# transformers 5.23.0 (Python 3.11, Linux; no torch is needed to read a configuration).
#
# A configuration may state the rotary base in three places: rope_theta at the top (the old way), rope_parameters (the
# new way) and rope_scaling (the old name of the scaling). Where rope_parameters and a rope_scaling that is not empty
# stand side by side, nothing is merged: rope_scaling replaces rope_parameters as a whole. The base inside
# rope_parameters is dropped with it, and the library's own 10000, or an old rope_theta at the top, takes its place.
# Without rope_scaling it is the other way about: rope_parameters wins over rope_theta. No warning in either case, and a
# model with another base reads every position by other angles.
#
# Seen (base and kind of the loaded Qwen2Config):
#   parameters 1e6                             1000000.0 default
#   parameters 1e6, top 5e5                    1000000.0 default
#   parameters 1e6, empty scaling              1000000.0 default
#   parameters 1e6, linear scaling             10000.0 linear
#   parameters 1e6, linear scaling, top 5e5    500000.0 linear
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile transformers==5.23.0
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" - <<'PY'
import sys
from transformers import Qwen2Config


def parameters(**more):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, **more}


def linear():
    return {"rope_type": "linear", "factor": 2.0}


cases = {
    "parameters 1e6": (parameters(), (1e6, "default")),
    "parameters 1e6, top 5e5": (parameters(rope_theta=5e5), (1e6, "default")),
    "parameters 1e6, empty scaling": (parameters(rope_scaling={}), (1e6, "default")),
    "parameters 1e6, linear scaling": (parameters(rope_scaling=linear()), (1e4, "linear")),
    "parameters 1e6, linear scaling, top 5e5": (parameters(rope_scaling=linear(), rope_theta=5e5), (5e5, "linear")),
}
holds = True
for name, (entries, expected) in cases.items():
    rope = Qwen2Config.from_dict(entries).rope_parameters
    print(f"{name:42} {rope['rope_theta']} {rope['rope_type']}")
    holds &= (rope["rope_theta"], rope["rope_type"]) == expected
sys.exit(0 if holds else 1)
PY
