"""Mutated files, bundles and answers meet their readers: no traceback, crash, hang, or growth over 1 GB.

    python -m trials.fuzz [--minutes 60] [--seed 1] [--subject pickles]... [--json FILE]

Each subject gets an equal share of the time on each of two processes at once. Cases are numbered, and a number with the
seed is all that is needed to see one again (`python -m trials.fuzzing.child`). Prints which lines of the readers were
reached.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trials import REPOSITORY, RESULTS, git, keep
from trials.fuzzing.subjects import SUBJECTS

_PROCESSES = 2
#: A case that takes longer hangs, also on a machine that does much else.
_HANG_SECONDS = 60.0
#: Imports and sound input come first.
_BEGIN_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subject", choices=SUBJECTS, action="append")
    parser.add_argument("--json", type=Path, default=RESULTS / "fuzz.json")
    options = parser.parse_args()
    names = options.subject or list(SUBJECTS)
    share = options.minutes * 60 * min(_PROCESSES, len(names)) / len(names)
    with tempfile.TemporaryDirectory(prefix="baton-fuzz-") as folder, ThreadPoolExecutor(_PROCESSES) as pool:
        runs = [pool.submit(_fuzz, name, options.seed, share, Path(folder)) for name in names]
        found = {name: run.result() for name, run in zip(names, runs, strict=True)}
        reached = _reached(Path(folder))
    commit = git("rev-parse", "--short", "HEAD")
    for told in found.values():
        told |= {"seed": options.seed, "minutes": round(share / 60, 1), "commit": commit}
    # Subjects that are not run now stay as they were, and the lines that they reached.
    earlier = json.loads(options.json.read_text()) if options.json.exists() else {}
    kept = earlier.get("subjects", {}) | found
    about = {
        "wrong": sum(len(told["wrong"]) for told in kept.values()),
        "subjects": {name: kept[name] for name in SUBJECTS if name in kept},
        "lines": earlier.get("lines", {}) | reached,
    }
    keep(options.json, __doc__.splitlines()[0], about)
    wrong = sum(len(told["wrong"]) for told in found.values())
    for name, lines in reached.items():
        print(f"{name}: {lines['reached']} of {lines['lines']} lines")
    print(json.dumps({name: {**about, "wrong": len(about["wrong"])} for name, about in found.items()}))
    return 1 if wrong else 0


def _fuzz(name: str, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Counts and wrong cases. A process that crashes or hangs is followed by another, from the next case on."""
    until, first, part = time.monotonic() + seconds, 0, 0
    counts: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    while (left := until - time.monotonic()) > 0:
        place, part = folder / f"{name}-{part}.place", part + 1
        words = ["--seed", seed, "--first", first, "--seconds", left, "--place", place]
        words += ["--coverage", folder / f".coverage.{name}.{part}"]
        child = subprocess.Popen(
            [sys.executable, "-m", "trials.fuzzing.child", name, *map(str, words)],
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        hung = _watch(child, place)
        said, complained = child.communicate()
        lines = [json.loads(line) for line in said.splitlines()]
        wrong += [line for line in lines if "case" in line]
        for line in lines:
            counts.update(line.get("counts", {}))
        if child.returncode == 0:
            break
        case = int(place.read_text() or 0) if place.exists() else first
        why = "it hangs" if hung else f"it ended with {_ended(child.returncode)}: {complained[-300:]}"
        wrong.append({"case": case, "said": why})
        counts.update(taken=0, wrong=1)
        first = case + 1
    return {"cases": counts.total(), "counts": dict(counts), "wrong": wrong}


def _ended(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _watch(child: subprocess.Popen[str], place: Path) -> bool:
    """Until it has ended; whether it had to be killed, as one case took too long."""
    at, since = "", time.monotonic()
    while child.poll() is None:
        time.sleep(0.2)
        now = place.read_text() if place.exists() else ""
        if now != at:
            at, since = now, time.monotonic()
        elif time.monotonic() - since > (_HANG_SECONDS if at else _BEGIN_SECONDS):
            child.kill()
            return True
    return False


def _reached(folder: Path) -> dict[str, Any]:
    """Lines of the readers, and how many of them were reached."""
    import coverage

    looked = coverage.Coverage(data_file=folder / ".coverage")
    looked.combine([str(folder)])
    report = folder / "coverage.json"
    looked.json_report(outfile=str(report), ignore_errors=True)
    files = json.loads(report.read_text())["files"]
    return {
        str(Path(name)): {
            "lines": about["summary"]["num_statements"],
            "reached": about["summary"]["covered_lines"],
            "missing": about["missing_lines"],
        }
        for name, about in sorted(files.items())
    }


if __name__ == "__main__":
    sys.exit(main())
