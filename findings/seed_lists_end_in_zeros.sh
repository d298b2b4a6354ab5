#!/usr/bin/env bash
# numpy 2.4.6 (Python 3.11, Linux).
#
# default_rng([seed, epoch, sample]) is the usual way to a stream for each part of a run. Up to four numbers, zeros at
# the end of the list say nothing: a list is filled up with them. So the stream of epoch 0 is that of the seed alone, and
# that of sample 0 of epoch 0 as well; whoever draws weights with default_rng(seed) and the first noise with
# default_rng([seed, 0, 0]) draws the same numbers twice, and for epochs from 1 on all is well. Numbers from 2**32 on
# become two entries, so one of them is also a list of two smaller ones, and moves all behind it. Children by spawn() do
# not meet what is listed, unless the list has that many zeros in it. Put a number of its own and not 0 last (or a length
# first), and keep each below 2**32.
#
# Seen (whether the two draw the same):
#   7 and [7, 0]: True
#   [7, 0] and [7, 0, 0]: True
#   [7, 1] and [7, 1, 0]: True
#   [7, 0, 0, 0] and [7, 0, 0, 0, 0]: False
#   [5, 1] and 4294967301: True
#   [7, 0] and [7, 1]: False
#   spawned child 2 of 7 and [7, 0, 0, 0, 2]: True
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np

PAIRS = [
    (7, [7, 0]), ([7, 0], [7, 0, 0]), ([7, 1], [7, 1, 0]), ([7, 0, 0, 0], [7, 0, 0, 0, 0]), ([5, 1], 2**32 + 5),
    ([7, 0], [7, 1]),
]


def same(one, other):
    first, second = (np.random.default_rng(seed).random(8) for seed in (one, other))
    return np.array_equal(first, second)


seen = [same(*pair) for pair in PAIRS]
for (one, other), alike in zip(PAIRS, seen):
    print(f"{one} and {other}: {alike}")
seen.append(same(np.random.SeedSequence(7).spawn(3)[2], [7, 0, 0, 0, 2]))
print(f"spawned child 2 of 7 and [7, 0, 0, 0, 2]: {seen[-1]}")
sys.exit(0 if seen == [True, True, True, False, True, False, True] else 1)
PY
