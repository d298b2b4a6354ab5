"""Ablations with adaptive seeds through real workers that are killed at random: the decisions are those of a calm home.

    python -m trials.adaptive_seeds [--ablations 20] [--seed 0] [--json FILE]

All bodies are stood in for (`trials.adaptive.stubs`); plans, queue, schedulers and decisions are the product's. One
home runs undisturbed, another is killed at random moments, a worker, the scheduler or everything at once, until it is
done. Both must have the events of looks that the decision function gives for these models, each once, and the same
runs. Exit code 1 where they have not.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import psutil

import cli
from experiments.design.bounds import looks_bounds
from experiments.design.decision import Rules, decide
from trials import REPOSITORY, RESULTS, keep, rows
from trials.adaptive.stubs import SEQUENCES, points_of, rates

MOST, MARGIN = 7, 14.0
ARMS = ("plain", "other")
_STUBS = [sys.executable, str(REPOSITORY / "trials" / "adaptive" / "stubs.py")]
_QUICK = {
    "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "BATON_QUEUE_LEASE_SECONDS": "60",
    "BATON_QUEUE_HEARTBEAT_SECONDS": "0.5", "BATON_QUEUE_TICK_SECONDS": "0.05",
    "BATON_QUEUE_RING_TIMEOUT_SECONDS": "0.5", "BATON_QUEUE_RETRY_SECONDS": "0.1",
    # Workers that are killed before they did anything count; here that happens all the time.
    "BATON_QUEUE_MAX_LOSSES": "1000", "BATON_QUEUE_MAX_SESSION_LOSSES": "1000",
}  # fmt: skip
_GIVE_UP_SECONDS = 2 * 3600


def command(home: Path, *words: str) -> list[str]:
    return [*_STUBS, "--home", str(home), *words]


def submit(home: Path, ablation: int) -> None:
    plain, other = rates(ablation)
    arms = {
        name: {"base": "baseline", "set": {"training.learning_rate": rate}}
        for name, rate in zip(ARMS, (plain, other))
    }
    adaptive = {"max": MOST, "margin": MARGIN, "measure": "success_1"}
    settings = {
        "arms": arms, "seeds": {"adaptive": adaptive}, "evaluation.sequences": SEQUENCES,
        "evaluation.sequences_per_shard": 50, "evaluation.random_baseline": False,
    }  # fmt: skip
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    words = ["submit-ablation", "--preset", "smoke", "--name", f"a{ablation}", "--detach", *sets]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert cli.main(["--home", str(home), *words]) == 0


def expected(ablation: int) -> list[dict[str, Any]]:
    """Looks at an ablation's other arm, by the decision function alone."""
    models = {
        name: [float(points_of(rate, seed)) for seed in range(MOST)]
        for name, rate in zip(ARMS, rates(ablation))
    }
    rules = Rules(ARMS[0], ARMS[1:], "success_1", MARGIN, looks_bounds(MOST, 1))
    (decision,) = decide(rules, models)
    last = len(decision.looks) - 1
    return [
        {"arm": ARMS[1], "verdict": decision.verdict if place == last else "open", "seeds": look.seeds,
         "difference": look.difference, "p_value": look.p_value}
        for place, look in enumerate(decision.looks)
    ]  # fmt: skip


def found(home: Path, ablation: int) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
    """Looks as a home's events tell them, and its runs."""
    state = home / "state.db"
    of_it = f"(SELECT id FROM ablation WHERE name = 'a{ablation}')"
    data = rows(
        state, f"SELECT data FROM event WHERE kind = 'look' AND ablation_id IN {of_it} ORDER BY event.id"
    )
    names = ("arm", "verdict", "seeds", "difference", "p_value")
    looks = [{name: json.loads(one)[name] for name in names} for (one,) in data]
    runs = rows(state, f"SELECT arm, seed FROM run WHERE ablation_id IN {of_it} ORDER BY arm, seed")
    return looks, [(arm, seed) for arm, seed in runs]


def run(home: Path, chance: random.Random | None) -> dict[str, int]:
    """`up --until-done` to its end; with `chance`, through kills. Returns how many there were of each sort."""
    kills = {"worker": 0, "scheduler": 0, "everything": 0, "commands": 0}
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    words = command(home, "up", "--until-done", "--gpus", "none", "--cpus", "2")
    while time.monotonic() < give_up:
        kills["commands"] += 1
        process = subprocess.Popen(
            words, env=os.environ | _QUICK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in _until_ended(process, chance):
            assert chance is not None
            sort = chance.choice(("worker", "worker", "scheduler", "scheduler", "everything"))
            family = _family(process.pid)
            if sort == "everything":
                kills[sort] += _kill(family) > 0
                process.wait()
                break
            of_sort = [one for one in family if _does(one, sort)]
            kills[sort] += _kill(of_sort[:1])
        code = process.wait()
        if code == 0:
            return kills
        if chance is None:
            raise RuntimeError(f"{home} ended with exit code {code}, and nobody disturbed it")
    raise TimeoutError(f"{home} was not done after {_GIVE_UP_SECONDS} s")


def _until_ended(process: subprocess.Popen[bytes], chance: random.Random | None) -> Iterator[None]:
    while process.poll() is None:
        if chance is None:
            process.wait()
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.3, 4))
            return
        yield


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(pid)
        return [whole, *whole.children(recursive=True)]
    return []


def _does(process: psutil.Process, what: str) -> bool:
    with suppress(psutil.Error):
        return what in process.cmdline()
    return False


def _kill(processes: list[psutil.Process]) -> int:
    killed = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
            killed += 1
    return killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ablations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which to kill")
    parser.add_argument("--json", type=Path, default=RESULTS / "adaptive_seeds.json")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="baton-adaptive-"))
    homes = {"calm": None, "killed": random.Random(options.seed)}
    document: dict[str, Any] = {
        "ablations": options.ablations,
        "seed": options.seed,
        "max": MOST,
        "margin": MARGIN,
    }
    for name, chance in homes.items():
        for ablation in range(options.ablations):
            submit(folder / name, ablation)
        document[name] = run(folder / name, chance)
        print(name, document[name], flush=True)
    wrong, verdicts = [], dict[str, int]()
    for ablation in range(options.ablations):
        wanted, calm, killed = expected(ablation), *(found(folder / name, ablation) for name in homes)
        if not (wanted == calm[0] == killed[0] and calm[1] == killed[1]):
            wrong.append({"ablation": ablation, "expected": wanted, "calm": calm, "killed": killed})
        sort = f"{wanted[-1]['verdict']} after {wanted[-1]['seeds']}"
        verdicts[sort] = verdicts.get(sort, 0) + 1
    document |= {"decisions": dict(sorted(verdicts.items())), "wrong": wrong}
    keep(options.json, "adaptive seeds through workers and schedulers that are killed at random", document)
    print(json.dumps(document["decisions"]), f"{len(wrong)} wrong", flush=True)
    if not wrong:
        shutil.rmtree(folder)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
