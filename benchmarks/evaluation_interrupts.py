"""An evaluation killed again and again (SIGKILL, at random moments) against one that was left alone.

Both are `cli.py evaluate random --out FILE`; the killed one is started again with the same command until it is
done. What is compared is every entry: tasks done, steps, digest of all actions.

python -m benchmarks.evaluation_interrupts [--sequences 1000] [--kills 50] [--max-steps 20] [--assets DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

_RESULTS = Path(__file__).parent / "results"
_ROOT = Path(__file__).resolve().parent.parent
#: Of the kills, this share falls into the first moments of a process, before its first result.
_EARLY = 0.2


def command(out: Path, options: argparse.Namespace) -> list[str]:
    arguments = [
        "evaluate",
        "random",
        "--sequences",
        str(options.sequences),
        "--max-steps",
        str(options.max_steps),
    ]
    arguments += ["--simulators", str(options.simulators), "--out", str(out), "--json"]
    arguments += ["--assets", options.assets] if options.assets else []
    return [sys.executable, "cli.py", *arguments]


def lines(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def killed(out: Path, options: argparse.Namespace) -> int:
    """Run to the end through `options.kills` kills, spread over the results. Returns how many there were."""
    rng, kills = random.Random(7), 0
    while True:
        process = subprocess.Popen(
            command(out, options), cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if kills == options.kills:
            if process.wait() != 0:
                raise SystemExit(f"the evaluation failed with exit code {process.returncode}")
            return kills
        goal = options.sequences * (kills + 1) // (options.kills + 1)
        if rng.random() < _EARLY:
            time.sleep(rng.uniform(0.5, 4.0))
        else:
            while lines(out) <= goal and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.3))
        if process.poll() is not None:
            return kills  # it was done before
        process.kill()
        process.wait()
        kills += 1


def entries(out: Path) -> dict[int, Any]:
    found = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    by_sequence = {entry["sequence"]: entry for entry in found}
    assert len(by_sequence) == len(found), "a sequence was kept twice"
    return by_sequence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--max-steps", type=int, default=20)
    parser.add_argument("--simulators", type=int, default=4)
    parser.add_argument("--assets")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        often, once = Path(folder) / "often.jsonl", Path(folder) / "once.jsonl"
        started = time.perf_counter()
        subprocess.run(
            command(once, options),
            cwd=_ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        undisturbed_seconds = time.perf_counter() - started
        started = time.perf_counter()
        kills = killed(often, options)
        killed_seconds = time.perf_counter() - started
        one, other = entries(once), entries(often)
    report = {
        "machine": describe(),
        "sequences": options.sequences,
        "max_steps": options.max_steps,
        "kills": kills,
        "equal_sequences": sum(one[number] == other.get(number) for number in one),
        "identical": one == other,
        "undisturbed_seconds": round(undisturbed_seconds, 1),
        "killed_seconds": round(killed_seconds, 1),
        "ratio": round(killed_seconds / undisturbed_seconds, 2),
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "evaluation_interrupts.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))
    if not report["identical"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
