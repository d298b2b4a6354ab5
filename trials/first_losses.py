"""Losses of the first steps of training by this build, against those of an older one: sums have another order.

    python -m trials.first_losses [--old 753aa3a] [--steps 100] [--json FILE]

The older build comes out of the repository's own history, in a git worktree. Both train arms of preset `quick` from the
same weights on the same frames of noise, each step as their jobs do it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.builds import ROOT, older_tree, said_in
from trials import RESULTS, keep

ARMS = ("baseline", "recon")
#: Of a loss, as it is.
AT_MOST = 1e-4

#: Each build's own benchmark makes the job; it is asked for one slice, of as many steps as the preset trains.
_TRAIN = """
import dataclasses, json, sys
from benchmarks import train_throughput

arm, steps, of = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
losses = []

def first_slice(context, _):
    if isinstance(context.spec, dict):  # 753aa3a
        context.spec["training"]["steps"] = of
    else:
        training = dataclasses.replace(context.spec.training, steps=of)
        context.spec = dataclasses.replace(context.spec, training=training)
    train_throughput.Context.should_stop = lambda context: "slice" if len(losses) == steps else None
    train_throughput.Context.report_progress = lambda context, step, total, values: losses.append(dict(values))
    run = getattr(train_throughput.train, "run", train_throughput.train)
    run(context)
    print("figure", json.dumps(losses))
    raise SystemExit

train_throughput.Context.run_slice = first_slice
sys.argv = ["train_throughput", "--arm", arm]
train_throughput.main()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--of", type=int, default=1500, help="steps that the whole training has")
    parser.add_argument("--json", type=Path, default=RESULTS / "first_losses.json")
    options = parser.parse_args()
    found: dict[str, Any] = {"old": options.old, "steps": options.steps, "at_most": AT_MOST}
    with older_tree(options.old) as old:
        for arm in ARMS:
            before, now = (
                json.loads(said_in(tree, _TRAIN, arm, str(options.steps), str(options.of)))
                for tree in (old, ROOT)
            )
            apart = [abs(a["total"] - b["total"]) for a, b in zip(before, now, strict=True)]
            found[arm] = {
                "last_loss": round(now[-1]["total"], 4),
                "largest_difference": float(f"{max(apart):.2e}"),
                "at_step": apart.index(max(apart)) + 1,
            }
            print(arm, json.dumps(found[arm]), flush=True)
    keep(options.json, __doc__.splitlines()[0], found)
    return 0 if all(found[arm]["largest_difference"] <= AT_MOST for arm in ARMS) else 1


if __name__ == "__main__":
    sys.exit(main())
