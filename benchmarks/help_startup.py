"""How long `cli.py --help` takes, against an empty Python and Celery's own help.

python -m benchmarks.help_startup --rounds 15
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import describe

_ROOT = Path(__file__).resolve().parent.parent
_RESULT = Path(__file__).parent / "results" / "help_startup.json"

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "cli.py --help": ["cli.py", "--help"],
    "celery --help": ["-m", "celery", "--help"],
}


def measure(arguments: list[str]) -> float:
    """Milliseconds from start to end of one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=_ROOT, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000.0


def main() -> None:
    """Alternate the commands, print the medians, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(arguments.rounds + 1):
        for name, command in COMMANDS.items():
            times[name].append(measure(command))
    medians = {name: round(statistics.median(values[1:]), 1) for name, values in times.items()}
    document = {
        "rounds": arguments.rounds,
        "median_milliseconds": medians,
        "milliseconds": {name: [round(value, 1) for value in values[1:]] for name, values in times.items()},
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
