"""An ablation that grows by sequences, seeds and arms, while it runs and after, against one of the final size.

    python -m trials.growth [--sequences 128,500] [--seeds 2,5] [--json FILE]

`fresh` is submitted once, at its final size. `after` is run to its end before each growth; `during` is grown by
`submit-ablation --detach` beside a session that works on it. Nothing may be done twice: each job ends well once, each
sequence of each run is played once. All digests of weights, all results sequence by sequence and all figures of the
report are those of `fresh`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trials import REPOSITORY, RESULTS, keep, rows

_HERE = ("--gpus", "none", "--cpus", "2")
_FIRST_ARMS = ("baseline", "recon", "explicit_grounding")
_ALL_ARMS = (*_FIRST_ARMS, "cot_grounding", "whole_image_recon")
#: Small models and short subtasks: what is looked at is what is done, not what comes out.
_SMALL = ("training.steps=6", "evaluation.max_steps=1", "evaluation.sequences_per_shard=100",
          "evaluation.simulators_per_batch=8", "evaluation.policy_batch=8")  # fmt: skip
#: What a report says of how the work went, which no two homes share.
_OF_THE_WAY = ("device_seconds", "goodput", "slices", "useful_seconds", "attempts")
#: What a report says of seeds that came after results were there, which one of the final size has none of.
_OF_GROWTH = ("earlier_looks",)
_GIVE_UP_SECONDS = 4 * 3600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", default="128,500")
    parser.add_argument("--seeds", default="2,5")
    parser.add_argument("--json", type=Path, default=RESULTS / "growth.json")
    options = parser.parse_args()
    few, many = map(int, options.sequences.split(","))
    before, after = map(int, options.seeds.split(","))
    steps = [
        _words(few, before, _FIRST_ARMS),
        _words(many, before, _FIRST_ARMS),
        _words(many, after, _FIRST_ARMS),
        _words(many, after, _ALL_ARMS),
    ]
    folder = Path(tempfile.mkdtemp(prefix="baton-growth-"))
    found: dict[str, Any] = {"sequences": [few, many], "seeds": [before, after], "arms": [3, 5]}
    fresh = folder / "fresh"
    _run(fresh, ["submit-ablation", *steps[-1], *_HERE])
    expected = _outcome(fresh)
    found["jobs"] = expected["jobs"]
    for name, grow in (("after", _grow_after), ("during", _grow_during)):
        grow(folder / name, steps)
        outcome = _outcome(folder / name)
        found[name] = {
            "done_twice": outcome["done_twice"],
            "played_twice": outcome["played_twice"],
            "differences": [
                key for key in expected["equal"] if expected["equal"][key] != outcome["equal"].get(key)
            ],
            "reports": outcome["reports"],
        }
        print(name, json.dumps(found[name]), flush=True)
    found["holds"] = all(
        not found[name][key]
        for name in ("after", "during")
        for key in ("done_twice", "played_twice", "differences")
    )
    keep(options.json, __doc__.splitlines()[0], found)
    shutil.rmtree(folder)
    return 0 if found["holds"] else 1


def _words(sequences: int, seeds: int, arms: Sequence[str]) -> list[str]:
    settings = [
        word for setting in (*_SMALL, f"evaluation.sequences={sequences}") for word in ("--set", setting)
    ]
    return [
        "--preset",
        "smoke",
        "--seeds",
        ",".join(map(str, range(seeds))),
        "--arms",
        ",".join(arms),
        *settings,
    ]


def _grow_after(home: Path, steps: Sequence[Sequence[str]]) -> None:
    for words in steps:
        _run(home, ["submit-ablation", *words, *_HERE])


def _grow_during(home: Path, steps: Sequence[Sequence[str]]) -> None:
    """Each growth comes when a third of what is there has ended."""
    _run(home, ["submit-ablation", *steps[0], "--detach"])
    session = _start(home, ["up", "--until-done", *_HERE])
    try:
        for words in steps[1:]:
            _wait(home, session, 1 / 3)
            _run(home, ["submit-ablation", *words, "--detach"])
        if session.wait(_GIVE_UP_SECONDS) != 0:
            raise SystemExit(f"the session ended with {session.returncode}: {_last(home)}")
    finally:
        session.kill()
    _run(home, ["up", "--until-done", *_HERE])


def _wait(home: Path, session: subprocess.Popen[bytes], share: float) -> None:
    while session.poll() is None:
        states = dict(
            rows(
                home / "state.db",
                "SELECT job.state, count(DISTINCT job.id) FROM job JOIN ablation_job ON job_id = job.id GROUP BY 1",
            )
        )
        if states and states.get("succeeded", 0) >= share * sum(states.values()):
            return
        time.sleep(0.5)
    raise SystemExit(f"the session ended before it could grow: {_last(home)}")


def _outcome(home: Path) -> dict[str, Any]:
    """What a finished home has: equal has what must be that of others."""
    state = home / "state.db"
    ended = rows(state, "SELECT job_id FROM attempt WHERE outcome = 'succeeded'")
    kinds = dict(rows(state, "SELECT id, kind FROM job"))
    twice = [job for (job,), count in Counter(ended).items() if count > 1]
    linked = rows(
        state,
        "SELECT run.arm, run.seed, job.spec, job.result FROM job JOIN ablation_job ON job_id = job.id LEFT JOIN run ON "
        "run.id = ablation_job.run_id WHERE job.kind = 'evaluate'",
    )
    played: Counter[tuple[Any, ...]] = Counter()
    equal: dict[str, Any] = {}
    for arm, seed, spec_text, result_text in linked:
        spec, result = json.loads(spec_text), json.loads(result_text)
        for entry in result.get("results", ()):
            content = spec["contents"][entry["sequence"] - spec["first"]]
            played[(arm, seed, content)] += 1
            equal[f"{arm} {seed} {content}"] = [
                entry["sequence"],
                entry["done"],
                entry.get("steps"),
                entry.get("actions"),
            ]
    weights = rows(
        state,
        "SELECT run.arm, run.seed, artifact.sha256 FROM artifact JOIN run ON run.train_job_id = artifact.job_id WHERE "
        "artifact.final AND artifact.name = 'weights'",
    )
    equal |= {f"weights {arm} {seed}": digest for arm, seed, digest in weights}
    _run(home, ["report", "--out", str(home / "now")])
    report = json.loads((home / "now" / "report.json").read_text())
    for row in [*report["arms"], *report["runs"]]:
        named = f"report {row['arm']} {row.get('seed', 'all')}"
        equal[named] = {key: value for key, value in row.items() if key not in _OF_THE_WAY}
    pairs = [
        {key: value for key, value in pair.items() if key not in _OF_GROWTH} for pair in report["comparisons"]
    ]
    equal["comparisons"] = sorted(pairs, key=lambda pair: (pair["a"], pair["b"]))
    return {
        "jobs": len(kinds),
        "done_twice": [kinds[job] for job in twice],
        "played_twice": [str(key) for key, count in played.items() if count > 1],
        "reports": sum(kind == "report" for kind in kinds.values()),
        "equal": equal,
    }


def _run(home: Path, words: Sequence[str]) -> None:
    process = _start(home, words)
    if process.wait(_GIVE_UP_SECONDS) != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {_last(home)}")


def _start(home: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    with home.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "cli.py", "--home", str(home), *words],
            cwd=REPOSITORY, env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def _last(home: Path) -> str:
    return "\n".join(home.with_suffix(".log").read_text(errors="replace").splitlines()[-5:])


if __name__ == "__main__":
    sys.exit(main())
