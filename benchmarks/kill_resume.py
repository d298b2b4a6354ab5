"""Kill every process of an ablation at a random moment, go on, and compare the final weights.

    python -m benchmarks.kill_resume --rounds 10 [--preset smoke] [--arms baseline,recon] [--seed 0]

One home runs undisturbed. Every round then uses a home of its own: `submit-ablation` is started, all its
processes (Redis, scheduler and workers included) get SIGKILL after a random time, and `up --until-done`
finishes. A round counts when it ends with exit code 0 and every run's final weights have the digest of the
undisturbed home. Exit code 1 when one does not.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent
CLI = [sys.executable, str(ROOT / "cli.py")]
RESULT = ROOT / "benchmarks" / "results" / "kill_resume.json"


def final_weights(home: Path) -> dict[str, str]:
    """Digest of the final weights by training job (the pretraining included)."""
    listed = subprocess.run(
        [*CLI, "--home", str(home), "artifacts", "--kind", "checkpoint", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {a["job"]: a["sha256"] for a in json.loads(listed.stdout) if a["final"]}


def kill_tree(process: subprocess.Popen[bytes]) -> int:
    """SIGKILL to the command and all that it started, all at once. Returns how many processes."""
    parent = psutil.Process(process.pid)
    family = [*parent.children(recursive=True), parent]
    for member in family:
        member.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(family, timeout=10)
    return len(family)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--arms", default="baseline,recon,recon_pretrain")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which to kill")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    submit = ["submit-ablation", "--preset", options.preset, "--arms", options.arms]
    submit += [word for override in options.overrides for word in ("--set", override)]
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="baton-kill-"))

    began = time.monotonic()
    subprocess.run([*CLI, "--home", str(folder / "calm"), *submit], check=True, stdout=subprocess.DEVNULL)
    calm_seconds = time.monotonic() - began
    expected = final_weights(folder / "calm")
    print(f"undisturbed: {calm_seconds:.0f} s, {len(expected)} final checkpoints", flush=True)

    rounds = []
    for number in range(options.rounds):
        home = folder / f"round{number}"
        moment = chance.uniform(0.02, 0.95) * calm_seconds
        process = subprocess.Popen(
            [*CLI, "--home", str(home), *submit], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        killed = kill_tree(process) if process.poll() is None else 0
        # Before the home exists there is nothing to go on with: the same command starts afresh.
        again = ["up", "--until-done"] if (home / "state.db").exists() else submit
        ended = subprocess.run(
            [*CLI, "--home", str(home), *again], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        equal = ended.returncode == 0 and final_weights(home) == expected
        rounds.append({"killed_after_seconds": round(moment, 1), "processes": killed, "equal": equal})
        print(f"round {number}: {killed} processes killed after {moment:.1f} s, equal: {equal}", flush=True)
        shutil.rmtree(home)
    shutil.rmtree(folder)

    good = sum(entry["equal"] for entry in rounds)
    print(f"{good} of {len(rounds)} rounds ended with the undisturbed weights")
    document = {"machine": describe(), "command": sys.argv[1:], "calm_seconds": round(calm_seconds, 1),
                "equal": good, "rounds": rounds}  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if good == len(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
