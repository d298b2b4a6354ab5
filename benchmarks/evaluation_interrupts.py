"""An evaluation interrupted again and again at random moments (SIGKILL, SIGTERM, Ctrl-C) against one left alone.

Both are `cli.py evaluate POLICY --out FILE` and run at the same time; the interrupted one is started again with the
same command until it is done. What is compared is every entry: tasks done, steps, digest of all actions. The scripted
expert solves most tasks, so that sequences differ in all three.

python -m benchmarks.evaluation_interrupts [--policy expert] [--sequences 1000] [--interrupts 50] [--max-steps 360]
                                           [--assets DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.machine import describe

_RESULTS = Path(__file__).parent / "results"
_ROOT = Path(__file__).resolve().parent.parent
#: This share falls into the first moments of a process, before its first result.
_EARLY = 0.2
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def command(out: Path, options: argparse.Namespace) -> list[str]:
    arguments = [
        "evaluate",
        options.policy,
        "--sequences",
        str(options.sequences),
        "--max-steps",
        str(options.max_steps),
    ]
    arguments += ["--simulators", str(options.simulators), "--out", str(out), "--json"]
    arguments += ["--assets", options.assets] if options.assets else []
    return [sys.executable, "cli.py", *arguments]


def started(out: Path, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(out, options), cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise SystemExit(f"the evaluation failed with exit code {process.returncode}")


def lines(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def interrupted(out: Path, options: argparse.Namespace) -> Counter[str]:
    """Run to the end through interruptions spread over the results. Returns how many there were of each kind."""
    rng, counts = random.Random(7), Counter[str]()
    while counts.total() < options.interrupts:
        process = started(out, options)
        goal = options.sequences * (counts.total() + 1) // (options.interrupts + 1)
        if rng.random() < _EARLY:
            time.sleep(rng.uniform(0.5, 4.0))
        else:
            while lines(out) <= goal and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.3))
        if process.poll() == 0:
            return counts  # it was done before
        kind = rng.choice(_SIGNALS)
        process.send_signal(kind)
        process.wait()
        counts[kind.name] += 1
    finish(started(out, options))
    return counts


def entries(out: Path) -> dict[int, Any]:
    found = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    by_sequence = {entry["sequence"]: entry for entry in found}
    assert len(by_sequence) == len(found), "a sequence was kept twice"
    return by_sequence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", default="expert", choices=("expert", "random"))
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--interrupts", type=int, default=50)
    parser.add_argument("--max-steps", type=int, default=360, help="steps a subtask")
    parser.add_argument("--simulators", type=int, default=4)
    parser.add_argument("--assets", help="clone of calvin_env: CALVIN's own scenes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        often, once = Path(folder) / "often.jsonl", Path(folder) / "once.jsonl"
        began = time.perf_counter()
        undisturbed = started(once, options)
        counts = interrupted(often, options)
        interrupted_seconds = time.perf_counter() - began
        finish(undisturbed)
        one, other = entries(once), entries(often)
    report = {
        "machine": describe(),
        "policy": options.policy,
        "sequences": options.sequences,
        "max_steps": options.max_steps,
        "interrupts": counts.total(),
        "signals": dict(sorted(counts.items())),
        "equal_sequences": sum(one[number] == other.get(number) for number in one),
        "identical": one == other,
        "average_length": round(sum(entry["done"] for entry in one.values()) / len(one), 3),
        "different_action_digests": len({entry["actions"] for entry in one.values()}),
        "interrupted_seconds": round(interrupted_seconds, 1),
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "evaluation_interrupts.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))
    if not report["identical"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
