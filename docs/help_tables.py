"""Tables of docs/does-it-help.md, of the stored results by the report's own functions."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from docs.generate_figures import REPOSITORY, duration, table
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.data import RunReport
from reports.estimates import Estimate, Estimates, estimates
from reports.losses import compare_losses
from reports.methods import MethodDifference, welch
from reports.numbers import interval_words, p_words, signed
from reports.statistics import result_matrix

_FIRST, _MEAN = 0, TASKS_IN_A_ROW.ceiling
_TITLES = {"baseline": "baseline", "recon": "+ reconstruction loss", "recon_pretrain": "+ pretraining"}


@cache
def _document(name: str) -> Any:
    return json.loads((REPOSITORY / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _arm(name: str, arm: str) -> Estimates:
    runs = [run for run in _document(name)["runs"] if run["arm"] == arm]
    results = result_matrix([run["results"] for run in runs], TASKS_IN_A_ROW.ceiling)
    return estimates(results, TASKS_IN_A_ROW.ceiling)


def _difference(name: str, a: str, b: str, place: int, baseline: str = "") -> MethodDifference:
    """baseline: another file for the runs of `a`."""
    return welch(_arm(baseline or name, a).measures[place].of_seeds, _arm(name, b).measures[place].of_seeds)


def _told(found: Estimate, place: int) -> str:
    scale, digits = TASKS_IN_A_ROW.scale_of(place)
    value = f"{scale * found.value:.{digits}f}" + ("" if place == _MEAN else " %")
    return (
        value
        if found.interval is None
        else f"{value} ({interval_words(found.interval, scale, min(digits, 2))})"
    )


def _seeds(found: Estimate, place: int) -> str:
    scale, digits = TASKS_IN_A_ROW.scale_of(place)
    return ", ".join(f"{scale * value:.{digits if place == _MEAN else 0}f}" for value in found.of_seeds)


def _delta(found: MethodDifference, place: int, with_p: bool) -> str:
    scale, digits = TASKS_IN_A_ROW.scale_of(place)
    told = signed(scale * found.delta, digits)
    if found.interval is None or found.p_value is None:
        return f"{told} ({found.reason})"
    p = f", p {p_words(found.p_value)}" if with_p else ""
    return f"{told} ({interval_words(found.interval, scale, digits)}{p})"


def demo() -> str:
    rows = []
    for arm, title in _TITLES.items():
        found = _arm("demo", arm)
        error = next(row["open_loop_error"] for row in _document("demo")["arms"] if row["arm"] == arm)
        first, mean = found.measures[_FIRST], found.measures[_MEAN]
        rows.append([
            title, *(_told(found.measures[place], place) for place in (0, 1, 2, _MEAN)), _seeds(first, _FIRST),
            f"{100 * (first.spread or 0):.1f}", _seeds(mean, _MEAN), f"{error:.3f}",
        ])  # fmt: skip
    head = [
        "method",
        "1/5",
        "2/5",
        "3/5",
        "avg. len.",
        "1/5 of each seed",
        "SD",
        "avg. len. of each seed",
        "open-loop error",
    ]
    return table(head, rows)


def differences() -> str:
    rows = [
        [f"baseline → {_TITLES[arm]}", _delta(_difference("demo", "baseline", arm, _MEAN), _MEAN, True),
         _delta(_difference("demo", "baseline", arm, _FIRST), _FIRST, False)]
        for arm in ("recon", "recon_pretrain")
    ]  # fmt: skip
    return table(["difference", "avg. len., the primary measure", "1/5, points"], rows)


#: (what, file, that of the baseline where it has more seeds)
_SETTINGS = (
    ("[eleven tasks](results/demo-first.json), 80 demonstrations, 4500 steps", "demo-first", ""),
    ("[eleven tasks](results/demo-eleven-tasks.json), 64 demonstrations, 5500 steps", "demo-eleven-tasks", ""),
    ("the same with [six seeds](results/demo-six-seeds.json)", "demo-six-seeds", ""),
    ("the preset: nine tasks, 128 demonstrations, 6000 steps", "demo", ""),
    ("the same, baseline with [six](results/demo-baseline-six-seeds.json)", "demo", "demo-baseline-six-seeds"),
    ("ten tasks of drawer, door and light ([below](#another-choice-of-tasks-worse))", "demo-drawer-block", ""),
)  # fmt: skip


def settings() -> str:
    rows = []
    for what, name, more in _SETTINGS:
        seeds = [
            _seeds(_arm(file, arm).measures[_FIRST], _FIRST)
            for file, arm in ((more or name, "baseline"), (name, "recon"))
        ]
        rows.append([
            what, *seeds, _delta(_difference(name, "baseline", "recon", _MEAN, more), _MEAN, True),
            _delta(_difference(name, "baseline", "recon", _FIRST, more), _FIRST, False),
        ])  # fmt: skip
    head = [
        "setting",
        "1/5 of each seed: baseline",
        "with reconstruction",
        "difference, avg. len.",
        "1/5, points",
    ]
    return table(head, rows)


def losses() -> str:
    """Held-out loss of each row against the preset's baseline, paired by seed."""
    rows = []
    for what, name, arm in (
        ("gaze region, weight 1", "demo", "recon"),
        ("gaze region, weight 0.1", "demo-weight-0.1", "recon"),
        ("gaze region, weight 10", "demo-weight-10", "recon"),
        ("whole image", "demo-whole-image", "whole_image_recon"),
    ):
        a, b = ([
            RunReport(arm_of, run["seed"], 1, held_out_loss=run["held_out_loss"])
            for run in _document(file)["runs"] if run["arm"] == arm_of
        ] for file, arm_of in (("demo", "baseline"), (name, arm)))  # fmt: skip
        found = compare_losses("baseline", arm, a, b).held_out_loss
        assert found is not None and found.interval is not None and found.p_value is not None
        length = welch(
            _arm("demo", "baseline").measures[_MEAN].of_seeds, _arm(name, arm).measures[_MEAN].of_seeds
        )
        rows.append([
            what, f"{signed(found.delta, 3)} ({interval_words(found.interval, 1, 3)})", str(found.seeds[0]),
            _delta(length, _MEAN, False), _seeds(_arm(name, arm).measures[_FIRST], _FIRST),
        ])  # fmt: skip
    head = [
        "loss",
        "held-out loss minus the baseline's, nats",
        "seeds",
        "avg. len. minus the baseline's",
        "1/5 of each seed",
    ]
    return table(head, rows)


def tasks() -> str:
    """Attempted subtasks of each task and the share that succeeded, over all seeds."""
    attempts = {
        arm: [run["tasks"] for run in _document("demo")["runs"] if run["arm"] == arm] for arm in _TITLES
    }
    names = dict.fromkeys(task for runs in attempts.values() for run in runs for task in run)
    rows = []
    for task in sorted(names):
        cells = []
        for runs in attempts.values():
            attempted, succeeded = (
                sum(run.get(task, {}).get(what, 0) for run in runs) for what in ("attempted", "succeeded")
            )
            cells.append(f"{100 * succeeded / attempted:.0f} % of {attempted}" if attempted else "")
        rows.append([f"`{task}`", *cells])
    return table(["task", *_TITLES.values()], rows)


def losses_in_full() -> str:
    """Each row's successes and losses; those on held-out frames for each seed too."""
    rows = []
    for what, name, arm in (
        ("none (baseline)", "demo", "baseline"),
        ("gaze region, [weight 0.1](results/demo-weight-0.1.json)", "demo-weight-0.1", "recon"),
        ("gaze region, weight 1", "demo", "recon"),
        ("gaze region, [weight 10](results/demo-weight-10.json)", "demo-weight-10", "recon"),
        ("[whole image](results/demo-whole-image.json), weight 1", "demo-whole-image", "whole_image_recon"),
    ):
        first, mean = (_arm(name, arm).measures[place] for place in (_FIRST, _MEAN))
        row = _row(name, arm)
        each = ", ".join(f"{loss:.3f}" for loss in _held_out(name, arm))
        rows.append([
            what, f"{100 * first.value:.1f} %", _seeds(first, _FIRST), f"{mean.value:.2f}",
            f"{row['training_loss']:.3f}", f"{row['held_out_loss']:.3f} ({each})",
        ])  # fmt: skip
    head = ["loss", "1/5", "1/5 of each seed", "avg. len.", "action loss, last epoch"]
    return table([*head, "held out, mean and each seed"], rows)


def drawer() -> str:
    name = "demo-drawer-block"
    first = ["1/5", *(_told(_arm(name, arm).measures[_FIRST], _FIRST) for arm in _TITLES)]
    held_out = ["held-out action loss, seeds 0, 1, 2"]
    held_out += [", ".join(f"{loss:.2f}" for loss in _held_out(name, arm)) for arm in _TITLES]
    trained = ["action loss, last epoch", *(f"{_row(name, arm)['training_loss']:.2f}" for arm in _TITLES)]
    return table(["", *_TITLES.values()], [first, held_out, trained])


def widest() -> str:
    """The largest difference at 1/5 between two seeds of one arm and setting, in points."""
    names = dict.fromkeys(name for _, *files in _SETTINGS for name in files if name)
    found = [
        _arm(name, arm).measures[_FIRST].of_seeds
        for name in [*names, "demo-weight-0.1", "demo-weight-10", "demo-whole-image"]
        for arm in dict.fromkeys(run["arm"] for run in _document(name)["runs"])
    ]
    return f"{100 * max(max(seeds) - min(seeds) for seeds in found):.0f}"


def quick() -> str:
    shares = [f"{100 * row['success'][0]:.0f}" for row in _document("quick")["arms"]]
    return f"{', '.join(shares[:-1])} and {shares[-1]} %"


def looks_at() -> str:
    """The share of attention on the gaze region in each arm."""
    return ", ".join(f"{100 * _row('demo', arm)['attention']['mass_in_gaze']:.1f} %" for arm in _TITLES)


def peaks() -> str:
    """How often attention peaks in the gaze region, in each arm."""
    return ", ".join(f"{100 * _row('demo', arm)['attention']['pointing_accuracy']:.0f} %" for arm in _TITLES)


def quick_time() -> str:
    return all_time("quick")


def all_time(name: str = "demo") -> str:
    """What all workers of the ablation had, useful or not."""
    ledger = _document(name)["ledger"]
    return duration(sum(seconds for what, seconds in ledger.items() if what.endswith("_seconds")))


def worker_time() -> str:
    """The same, and how much of it was the steps of each kind of job."""
    document = _document("demo")
    kinds = {
        "training": "train",
        "evaluation": "evaluate",
        "demonstrations": "ingest",
        "pretraining": "pretrain",
    }
    useful = [
        f"{document['ledger_by_kind'][kind]['useful_seconds'] / 60:.0f} {told}"
        for told, kind in kinds.items()
    ]
    return f"{all_time()}, of which in minutes {', '.join(useful)}"


def _row(name: str, arm: str) -> Any:
    return next(row for row in _document(name)["arms"] if row["arm"] == arm)


def _held_out(name: str, arm: str) -> list[float]:
    return [run["held_out_loss"] for run in _document(name)["runs"] if run["arm"] == arm]
