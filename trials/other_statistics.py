"""Figures of a report beside those that rliable, statsmodels and orbit-eval compute of its results.csv.

    python -m trials.other_statistics --python PYTHON [--json FILE]

PYTHON: an interpreter with them, for an environment of its own, as rliable 1.2.0 excludes the newest arch and pandas:
`pip install rliable==1.2.0 arch==7.2.0 "pandas<3" statsmodels orbit-eval`. The results are those of two arms with six
seeds that are stored in docs/results. Exit code 1 where two figures that are the same thing differ: by more than
rounding, or, of intervals that are drawn, by more than draws do. Takes a minute of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.arm_intervals import mean_squares
from reports.data import ReportData, RunReport
from reports.methods import holm_decisions, welch
from reports.results_table import results_csv
from reports.statistics import Difference, compare, result_matrix, success_intervals
from trials import REPOSITORY, RESULTS, keep

ASKED = Path(__file__).parent / "statistics" / "asked.py"
STORED = REPOSITORY / "docs" / "results" / "demo-six-seeds.json"
BASELINE, ARM = "baseline", "recon"
#: Of what is computed, relative; of ends of intervals that are drawn, in tasks.
_ROUNDING, _DRAWN = 1e-9, 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "other_statistics.json")
    parser.add_argument("--python", default=os.environ.get("BATON_STATISTICS_PYTHON"))
    options = parser.parse_args()
    if options.python is None:
        print(
            "other statistics: name an interpreter that has them with --python or BATON_STATISTICS_PYTHON",
            file=sys.stderr,
        )
        return 3
    runs = [
        RunReport(run["arm"], run["seed"], run["train_steps"], results=tuple(run["results"]))
        for run in json.loads(STORED.read_text(encoding="utf-8"))["runs"]
    ]
    with tempfile.TemporaryDirectory(prefix="baton-statistics-") as place:
        file = Path(place) / "results.csv"
        data = ReportData("six seeds", TASKS_IN_A_ROW, tuple(runs), ())
        file.write_text(results_csv(data), encoding="utf-8")
        theirs = json.loads(_said(options.python, str(ASKED), str(file), BASELINE, ARM))
        compared, first = _compared(runs, theirs)
        orbit = _orbit(options.python, file, first)
    compared["difference of seed 0 in 1/5, orbit-eval"] = orbit.pop("difference of seed 0 in 1/5, points")
    wrong = [name for name, entry in compared.items() if not entry["agrees"]]
    found = {"of": str(STORED.relative_to(REPOSITORY)), "versions": theirs.pop("versions"),
             "compared": compared, "orbit-eval": orbit, "wrong": wrong}  # fmt: skip
    keep(options.json, __doc__.splitlines()[0], found)
    print(json.dumps(found, indent=1))
    return 1 if wrong else 0


def _compared(runs: list[RunReport], theirs: dict[str, Any]) -> tuple[dict[str, Any], Difference]:
    """Ours, theirs and whether these are one figure, by what it is; and the difference of two models in 1/5."""
    arms = {
        arm: result_matrix([run.results or () for run in runs if run.arm == arm], TASKS_IN_A_ROW.ceiling)
        for arm in (BASELINE, ARM)
    }
    means = {arm: matrix.mean(axis=1) for arm, matrix in arms.items()}
    method = welch(means[BASELINE].tolist(), means[ARM].tolist())
    one = compare(
        "a", "b", {0: arms[BASELINE][0].tolist()}, {0: arms[ARM][0].tolist()}, TASKS_IN_A_ROW.ceiling
    )
    found = {
        "Welch's p, statsmodels": _same(method.p_value, theirs["welch"]["p_value"]),
        "Welch's interval, statsmodels": _same(method.interval, theirs["welch"]["interval"]),
        "Holm's mark, statsmodels": _same(holm_decisions([method.p_value])[0], theirs["holm"][ARM]),
        "McNemar's exact p of seed 0 in 1/5, statsmodels": _same(one.success[0].p_value, theirs["mcnemar"]),
        "interval of 1/5 of seed 0, statsmodels": _same(
            success_intervals(arms[ARM][:1], TASKS_IN_A_ROW.ceiling)[0], theirs["agresti_coull"]
        ),
        "probability of improvement, rliable and scipy's Mann-Whitney": _same(
            stats.mannwhitneyu(means[ARM], means[BASELINE]).statistic
            / len(means[ARM])
            / len(means[BASELINE]),
            theirs["probability_of_improvement"],
        ),
    }
    for arm, matrix in arms.items():
        found[f"mean of {arm}, rliable"] = _same(float(matrix.mean()), theirs["means"][arm])
        found[f"mean squares of {arm}, statsmodels"] = _same(
            [float(square) for square in mean_squares(matrix.astype(np.float64))], theirs["mean_squares"][arm]
        )
        drawn = stats.bootstrap(
            (means[arm],),
            np.mean,
            n_resamples=20_000,
            method="percentile",
            random_state=np.random.default_rng(0),
        ).confidence_interval
        found[f"percentile interval of seeds of {arm}, rliable and scipy"] = _same(
            [float(drawn.low), float(drawn.high)], theirs["intervals"][arm], _DRAWN
        )
    return found, one.success[0]


def _same(ours: Any, theirs: Any, within: float | None = None) -> dict[str, Any]:
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    agrees = np.allclose(a, b, rtol=0, atol=within) if within else np.allclose(a, b, rtol=_ROUNDING)
    return {"ours": a.tolist(), "theirs": b.tolist(), "agrees": bool(agrees)}


def _orbit(python: str, file: Path, ours: Difference) -> dict[str, Any]:
    """What its `check` finds in results.csv as it is; and, where `success` is 1/5 and not the whole chain, the
    difference of two models beside ours."""
    whole = _check(python, file.parent)
    lines = file.read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    success, first = names.index("success"), names.index("success_1")
    rows = [line.split(",") for line in lines[1:]]
    for row in rows:
        row[success] = row[first]
    folder = file.parent / "first"
    folder.mkdir()
    (folder / file.name).write_text("\n".join([lines[0], *map(",".join, rows)]) + "\n", encoding="utf-8")
    (of_first,) = _check(python, folder)["check"]["rows"]
    return {
        "found": whole["source"]["summary"],
        "policies": whole["policies"],
        "difference of seed 0 in 1/5, points": _same(100 * ours.delta, of_first["delta_pp"]),
        "interval, points, which it draws": of_first["ci95"],
        "ours": [100 * edge for edge in ours.ci95 or ()],
    }


def _check(python: str, folder: Path) -> Any:
    """Raises CalledProcessError."""
    models = ("--incumbent", f"{BASELINE}_s0", "--candidate", f"{ARM}_s0", "--crn")
    command = (
        python,
        "-m",
        "orbit_eval.cli",
        "check",
        str(folder),
        "--json",
        "--no-report",
        "--no-open",
        *models,
    )
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "HOME": str(folder)}
    )
    return json.loads(done.stdout)


def _said(*words: str) -> str:
    """Raises CalledProcessError."""
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
