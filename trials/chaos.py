"""A real ablation in real processes under faults of every kind, drawn at random: `python -m chaos`, its result kept.

python -m trials.chaos [--strikes 60] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from trials import REPOSITORY, RESULTS, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strikes", default="60")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--json", type=Path, default=RESULTS / "chaos.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="baton-chaos-") as folder:
        result = Path(folder) / "chaos.json"
        words = ["--strikes", options.strikes, "--seed", options.seed, "--result", str(result)]
        code = subprocess.run([sys.executable, "-m", "chaos", *words], cwd=REPOSITORY, check=False).returncode
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {"exit_code": code}
    keep(options.json, "preset smoke, its three arms, under faults that are drawn at random", found)
    return code


if __name__ == "__main__":
    sys.exit(main())
