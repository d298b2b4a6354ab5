"""The play table of an older build and of this one, in alternating pairs; pictures, states and outcomes are equal.

    python -m benchmarks.simulator_builds [--old COMMIT] [--only steps,loop,memory] [--assets CLONE_OF_CALVIN_ENV]
                                          [--pairs 10] [--sequences 3]

Groups, all in CALVIN's scene D with TinyRenderer's pictures. `steps`: a control step with both pictures at every fifth,
one without pictures, and a reset. `loop`: a step of CALVIN's protocol, with a policy that answers at once. `memory`: a
worker's process with torch and transformers, and 16 simulators in processes of their own: the sum of their PSS, and how
long it takes to open them. Times are of the processor, in ms, but for the opening's.

Ratios are those of the older build by this one, the median over pairs with its 95 % interval. What both have drawn and
done is compared by digests: of all states and pictures, and of the outcomes of all sequences.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.builds import ASSETS, older_tree, pairs_of, ratio_of, said_in
from benchmarks.evaluation_throughput import record
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "simulator_builds.json"
_SIMULATORS = 16

#: Run in either tree: both builds have these names.
_STEPS = """
import hashlib, json, resource, statistics, sys, time
from pathlib import Path
import numpy as np
from simulators.playtable.env import PlayTable
sim = PlayTable("D", Path(sys.argv[1]))
angles = np.linspace(0.0, 4 * np.pi, 100)
moves = np.zeros((100, 7))
moves[:, 0], moves[:, 1], moves[:, 6] = 0.4 * np.cos(angles), 0.4 * np.sin(angles), 1.0
total, figures = hashlib.sha256(), {"step": [], "physics": [], "reset": []}
for every in (5, 5, 5, 5, 1000, 1000):
    began = time.process_time()
    sim.reset(seed=every)
    figures["reset"].append((time.process_time() - began) * 1000)
    sim.observe()
    began = time.process_time()
    for i, action in enumerate(moves):
        sim.step(action)
        if (i + 1) % every == 0:
            seen = sim.observe()
            total.update(b"".join(seen[name].tobytes() for name in sorted(seen)))
    figures["step" if every == 5 else "physics"].append((time.process_time() - began) * 10)
    total.update(np.concatenate(sim.state()).tobytes())
found = {name + " ms": statistics.median(values[len(values) > 2:]) for name, values in figures.items()}
found["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("figure", json.dumps({"digest": total.hexdigest(), **found}))
"""
_LOOP = """
import hashlib, json, pickle, sys
from pathlib import Path
from benchmarks.evaluation_throughput import together
if __name__ == "__main__":
    script = pickle.loads(Path(sys.argv[2]).read_bytes())
    run = together("ours", 1, sorted(script), script, (sys.argv[1], None))[0]
    outcomes = json.dumps(sorted(run["outcomes"].items()), default=str)
    print("figure", json.dumps({
        "digest": hashlib.sha256(outcomes.encode()).hexdigest(),
        "step ms": 1000 * run["cpu_seconds"] / run["steps"],
    }))
"""
_MEMORY = """
import json, sys, time
import numpy as np, psutil, torch, transformers
from simulators.own_process import OwnProcess
began = time.perf_counter()
sims = [OwnProcess("playtable", "D", assets=sys.argv[1], renderer="tiny") for _ in range(int(sys.argv[2]))]
opened = time.perf_counter() - began
for sim in sims:
    sim.reset(seed=0)
    for _ in range(3):
        sim.observe()
        sim.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
me = psutil.Process()
processes = [me, *me.children(recursive=True)]
pss = [process.memory_full_info().pss / 2**20 for process in processes]
cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
for sim in sims:
    sim.close()
print("figure", json.dumps({"digest": "", "PSS MiB": sum(pss), "of the worker MiB": pss[0], "opening s": opened,
                            "processor s": cpu}))
"""

Figures = Mapping[str, float | str]


def _measure(code: str, words: list[str], tree: Path) -> Figures:
    found: dict[str, float | str] = json.loads(said_in(tree, code, *words))
    return found


def _compared(pairs: list[dict[str, Figures]]) -> dict[str, object]:
    """Ratios of all figures; raises SystemExit where the builds have not drawn and done the same."""
    if len({figures["digest"] for pair in pairs for figures in pair.values()}) > 1:
        raise SystemExit("the builds drew or did different things")
    names = [name for name in pairs[0]["old"] if name != "digest"]
    return {
        name: ratio_of([float(pair["old"][name]) / float(pair["new"][name]) for pair in pairs])
        for name in names
    }


def main() -> None:
    """Run the pairs group by group, print the ratios, write the JSON after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--only", default="steps,loop,memory")
    parser.add_argument("--assets", type=Path, default=ASSETS)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--sequences", type=int, default=3)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    assets = str(options.assets.resolve())
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder, older_tree(options.old) as old:
        script = Path(folder) / "script"
        groups = {
            "steps": (_STEPS, [assets]),
            "loop": (_LOOP, [assets, str(script)]),
            "memory": (_MEMORY, [assets, str(_SIMULATORS)]),
        }
        for name in options.only.split(","):
            if name == "loop":
                script.write_bytes(pickle.dumps(record(range(options.sequences), assets)))
            code, words = groups[name]
            pairs = []
            for pair in pairs_of(partial(_measure, code, words), old, options.pairs):
                pairs.append(pair)
                print(name, json.dumps(pair), flush=True)
            ratios = _compared(pairs)
            print(name, json.dumps(ratios), flush=True)
            document = json.loads(options.out.read_text()) if options.out.exists() else {"groups": {}}
            document |= {"old": options.old, "machine": describe()}
            document["groups"][name] = {"ratios": ratios, "pairs": pairs}
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
