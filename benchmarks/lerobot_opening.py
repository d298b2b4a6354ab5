"""Seconds and memory to open LeRobot sets as large as the public conversions of CALVIN, and to look at all numbers.

python -m benchmarks.lerobot_opening [--episodes 20000] [--folder FOLDER]

The sets are made up (`large_lerobot_set`), once where --folder keeps them. Each is opened in a process of its own that
imports everything first; `open` is what every command does, `whole` the look at all episodes that planning and
`data check` do besides. Processor seconds are given too: they say more where other things run on the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.large_lerobot_set import FRAMES, LAYOUTS, write
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "lerobot_opening.json"
_ROUNDS = 3
_PROGRAM = """
import json, resource, sys, time
from pathlib import Path
import calvin.lerobot_format.sets, pyarrow.parquet
from calvin.split import Reading, open_split

def measured(call):
    wall, own = time.perf_counter(), time.process_time()
    found = call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found, {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - own, "peak_mib": peak}

reading = Reading(validation_episodes="0-9")
split, opened = measured(lambda: open_split(Path(sys.argv[1]), "training", reading))
found = {"episodes_looked_at": len(split.dataset.look.vectors.entries), "open": opened}
if sys.argv[2] == "whole":
    found["whole"] = measured(lambda: split.dataset.whole)[1]
print(json.dumps(found))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20_000)
    parser.add_argument("--layouts", nargs="*", choices=LAYOUTS, default=LAYOUTS)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    document: dict[str, Any] = {
        "episodes": options.episodes,
        "frames": options.episodes * FRAMES,
        "layouts": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        for layout in options.layouts:
            root = (options.folder or Path(temporary)) / f"{layout.replace(' ', '_')}_{options.episodes}"
            if not root.exists():
                write(root, layout, options.episodes)
            rounds = [_opened(root, "open") for _ in range(_ROUNDS)]
            best = min(rounds, key=lambda one: one["open"]["seconds"])
            best["whole"] = _opened(root, "whole")["whole"]
            document["layouts"][layout] = best
            print(layout, json.dumps(best), flush=True)
    document["machine"] = describe()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n")


def _opened(root: Path, what: str) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROGRAM, str(root), what]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    for part in found.keys() & {"open", "whole"}:
        found[part] = {name: round(value, 2) for name, value in found[part].items()}
    return found


if __name__ == "__main__":
    main()
