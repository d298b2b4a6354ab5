#!/usr/bin/env bash
# lerobot 0.4.4 (numpy 2.3.5, torch 2.13.0, torchvision 0.25.0, datasets 4.8.5; Python 3.11, Linux, CPU).
#
# The standard deviations in a set's meta/stats.json, by which policies normalise, are wrong for values that lie far
# from zero for how much they move: an encoder's ticks, a joint in degrees, a height over the table. The variance is
# taken as the mean of squares less the square of the mean, in the float32 of the frames, and nothing is left of it.
# What comes out is too large by any factor, or exactly 0, which normalising then divides by its epsilon. Nothing warns;
# min, max and mean beside it are right. Compute it again in float64 from the frames.
#
# Seen (300 frames of one episode: what they are; true standard deviation; that in stats.json):
#   ticks   2048 +- 0.05: 0.048917 0.000000
#   degrees 180 +- 0.02: 0.018778 0.062500
#   metres  1.5 +- 0.0001: 0.000098 0.000000
#   radians 0.5 +- 0.3: 0.301862 0.301862
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" install --quiet --no-compile "$@"; }
pip torch==2.13.0 numpy==2.3.5 "datasets==4.8.5" "huggingface-hub<2" "av<16" jsonlines "packaging<26" einops pandas \
    pillow draccus==0.10.0 deepdiff gymnasium safetensors accelerate
pip --no-deps lerobot==0.4.4 torchvision==0.25.0
HF_HUB_OFFLINE=1 HF_HOME="$work/hub" "$work/venv/bin/python" - "$work/set" 2>"$work/said" <<'PY' || { cat "$work/said"; exit 1; }
import json
import sys
from pathlib import Path

import numpy as np
import torch

declare = torch.library.register_fake


def but_of_pictures(name, *more, **named):
    """torchvision's compiled part, which nothing here uses, fits no CPU build of torch."""
    if isinstance(name, str) and name.startswith("torchvision::"):
        return lambda function: function
    return declare(name, *more, **named)


torch.library.register_fake = but_of_pictures
from lerobot.datasets.lerobot_dataset import LeRobotDataset

NAMES = ("ticks", "degrees", "metres", "radians")
MIDDLE, MOVES = np.array([2048, 180, 1.5, 0.5]), np.array([0.05, 0.02, 1e-4, 0.3])
place = Path(sys.argv[1])
states = (MIDDLE + MOVES * np.random.default_rng(0).standard_normal((300, 4))).astype(np.float32)
feature = {"dtype": "float32", "shape": (4,), "names": list(NAMES)}
made = LeRobotDataset.create("somebody/arm", fps=10, root=place, features={"observation.state": feature})
for state in states:
    made.add_frame({"observation.state": state, "task": "move"})
made.save_episode()
made.finalize()
told = json.loads((place / "meta" / "stats.json").read_text())["observation.state"]
true, said = states.astype(np.float64).std(0), np.array(told["std"])
for row in zip(NAMES, MIDDLE, MOVES, true, said):
    print("{:8}{:g} +- {:g}: {:.6f} {:.6f}".format(*row))
assert np.allclose(told["mean"], states.mean(0, np.float64), rtol=1e-5)
wrong = (said == 0) | (said > 2 * true)
sys.exit(0 if wrong[:3].all() and np.isclose(said[3], true[3], rtol=1e-3) else 1)
PY
