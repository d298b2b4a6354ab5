"""A real ablation in real processes while a killer strikes at random; at the end nothing may be missing.

    python -m chaos [--strikes 300] [--seed 0] [--faults kill_worker,flip_a_bit] [--seconds 3]

One home runs undisturbed. Homes under attack then run the same ablation, one after the other, until all
strikes were made; each must end with exit code 0 and the undisturbed home's facts. The faults take turns, in
an order drawn from the seed, at moments drawn from it too. Exit code 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import describe
from chaos.checks import facts, violations
from chaos.faults import FAULTS
from chaos.world import World

#: A home that has not ended this long after its last strike is stuck.
_STUCK_SECONDS = 600.0

_TMPFS_BYTES = 512 << 20


def main() -> int:
    options = _options()
    submit = [
        "submit-ablation",
        "--preset",
        options.preset,
        "--arms",
        options.arms,
        "--cpus",
        "2",
        "--gpus",
        "none",
    ]
    submit += [word for override in options.overrides for word in ("--set", override)]
    chance = random.Random(options.seed)
    struck: Counter[str] = Counter()
    homes, wrong = [], []
    with _folder() as folder:
        calm = World(folder / "calm", submit)
        began = time.monotonic()
        while (code := calm.run()) is None:
            time.sleep(0.2)
        calm_seconds = time.monotonic() - began
        if code != 0:
            print((folder / "calm.log").read_text()[-2000:])
            print(f"the undisturbed run ended with exit code {code}")
            return 1
        expected = facts(calm.home)
        shutil.rmtree(calm.home)
        weights = sum(1 for _, name, _ in expected["digests"] if name == "weights")
        print(
            f"undisturbed: {calm_seconds:.0f} s, {len(expected['jobs'])} jobs, {weights} final weights",
            flush=True,
        )
        queue: list[str] = []
        while sum(struck.values()) < options.strikes and not wrong:
            world = World(folder / f"home{len(homes)}", submit)
            began, before = time.monotonic(), sum(struck.values())
            wrong += _attack(world, chance, options, struck, queue)
            if not wrong:
                wrong += violations(world, expected)
            strikes = sum(struck.values()) - before
            homes.append({"strikes": strikes, "seconds": round(time.monotonic() - began, 1),
                          "command_restarts": world.restarts, "bits_flipped": len(world.flipped)})  # fmt: skip
            print(f"home {len(homes)}: {strikes} strikes in {homes[-1]['seconds']:.0f} s, "
                  f"{'all well' if not wrong else 'WRONG'}", flush=True)  # fmt: skip
            if wrong:
                print((folder / f"{world.home.name}.log").read_text(errors="replace")[-3000:])
                if options.keep:
                    shutil.copytree(
                        world.home, options.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock")
                    )
            shutil.rmtree(world.home)
    for fault in FAULTS:
        if struck[fault]:
            print(f"{fault:22} {struck[fault]:4}")
    print(
        f"{sum(struck.values())} strikes on {len(homes)} homes: "
        + ("nothing lost, nothing twice" if not wrong else "")
    )
    for sentence in wrong:
        print(f"wrong: {sentence}")
    if options.result:
        document = {"machine": describe(), "command": sys.argv[1:], "calm_seconds": round(calm_seconds, 1),
                    "final_weights": weights, "strikes": dict(sorted(struck.items())), "homes": homes,
                    "wrong": wrong}  # fmt: skip
        options.result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


def _attack(
    world: World, chance: random.Random, options: argparse.Namespace, struck: Counter[str], queue: list[str]
) -> list[str]:
    """Strike until the ablation has ended or all strikes were made. Returns what went wrong."""
    next_strike = time.monotonic() + chance.uniform(0.2, 1.5) * options.seconds
    last_strike = time.monotonic()
    while True:
        code = world.run()
        if code is not None:
            return [] if code == 0 else [f"{world.home.name} ended with exit code {code}"]
        now = time.monotonic()
        if now >= next_strike and sum(struck.values()) < options.strikes:
            if not queue:  # every fault has its turn before any comes again
                queue += chance.sample(options.faults, len(options.faults))
            fault = queue.pop()
            if FAULTS[fault](world, chance):
                struck[fault] += 1
            last_strike = time.monotonic()
            next_strike = last_strike + chance.uniform(0.2, 1.8) * options.seconds
        if now - last_strike > _STUCK_SECONDS:
            return [f"{world.home.name} is stuck"]
        time.sleep(0.05)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for the homes: a small file system of its own where that can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="baton-chaos-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strikes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3.0, help="mean time between strikes")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--arms", default="baseline,recon,recon_pretrain")
    parser.add_argument("--faults", default=",".join(FAULTS), type=lambda text: text.split(","))
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY.PATH=VALUE")
    parser.add_argument("--result", type=Path, default=None, help="write the figures here as JSON")
    parser.add_argument("--keep", type=Path, default=None, help="copy a home that went wrong here")
    options = parser.parse_args()
    unknown = sorted(set(options.faults) - set(FAULTS))
    if unknown:
        parser.error(f"unknown faults {', '.join(unknown)}; known: {', '.join(FAULTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
