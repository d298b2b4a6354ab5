"""The built wheel does `smoke` by itself: in an environment that has nothing else, from an empty folder.

    python -m trials.wheel

Builds the wheel of what is committed, installs it with all that it asks for into a fresh virtual environment, and runs
it with `python -I`, which sees neither the repository nor PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from trials import REPOSITORY, RESULTS, final_artifacts, keep

_RESULT = RESULTS / "wheel.json"


def build(folder: Path) -> Path:
    """The wheel of the last commit, in `folder`. Raises CalledProcessError."""
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(
        ["git", "archive", "HEAD"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "x", "-C", str(source)], input=archive, check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="baton-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        environment = folder / "environment"
        venv.create(environment, with_pip=True)
        python, empty = environment / "bin" / "python", folder / "empty"
        empty.mkdir()
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch==2.13.0", str(wheel)], check=True)
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        began = time.monotonic()
        ended = subprocess.run(
            [python, "-I", "-m", "cli", "--home", str(folder / "home"), "submit-ablation", "--preset", "smoke",
             "--json"],
            cwd=empty, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        document = json.loads(ended.stdout) if ended.returncode == 0 else {}
        found = {
            "holds": ended.returncode == 0 and document.get("state") == "succeeded",
            "exit_code": ended.returncode,
            "seconds": round(time.monotonic() - began, 1),
            "artifacts": len(final_artifacts(folder / "home" / "state.db")),
            "left_in_the_folder": sorted(entry.name for entry in empty.iterdir()),
            "error": ended.stderr[-2000:] if ended.returncode else "",
        }
    print(json.dumps(found, indent=1))
    keep(_RESULT, "preset smoke of the wheel alone, in an empty environment, with python -I", found)
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
