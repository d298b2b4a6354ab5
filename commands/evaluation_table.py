"""One evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from reports.statistics import average_length_interval, success_intervals


def print_evaluation(document: Mapping[str, Any]) -> None:
    """Rates with Wilson's 95 % intervals, average length with the bootstrap's, the table by task, and n."""
    done = np.array([[entry["done"] for entry in document["results"]]])
    console = Console(width=None if Console().is_terminal else 120)
    rates = Table(title=f"{document['policy']}: n = {document['sequences']} sequences, "
                  f"{document['max_steps']} steps a subtask, scene {document['scene']}")  # fmt: skip
    rates.add_column("in a row")
    rates.add_column("success", justify="right")
    rates.add_column("95 % interval")
    for k, (rate, (low, high)) in enumerate(zip(document["success"], success_intervals(done)), start=1):
        rates.add_row(f"{k}/5", f"{rate:.1%}", f"{low:.1%} to {high:.1%}")
    low, high = average_length_interval(done)
    rates.add_row("average length", f"{document['avg_len']:.3f}", f"{low:.3f} to {high:.3f}")
    console.print(rates)
    if document["official_compat"]:
        console.print("Rates are over N + 1, as ReconVLA's released script counts; the intervals are over N.")
    tasks = Table(title="by task, as far as chains got")
    for column in ("task", "done", "asked", "rate"):
        tasks.add_column(column, justify="left" if column == "task" else "right")
    for task, score in document["tasks"].items():
        rate = score["succeeded"] / score["attempted"]
        tasks.add_row(task, str(score["succeeded"]), str(score["attempted"]), f"{rate:.0%}")
    console.print(tasks)
    told = document["simulator_description"].items()
    console.print("Simulator: " + ", ".join(f"{name} {str(value)[:12]}" for name, value in told if value))
    warning = _renderer_warning(document)
    if warning is not None:
        console.print(warning)
    counted: dict[str, Any] = {}
    for name, count in document["counts"].items():
        counted |= (
            {f"{name} {why}": n for why, n in count.items()} if isinstance(count, dict) else {name: count}
        )
    counted = {name: count for name, count in counted.items() if count}
    if counted:
        console.print("Counted: " + ", ".join(f"{name} {count}" for name, count in counted.items()))


def _renderer_warning(document: Mapping[str, Any]) -> str | None:
    """A sentence where a policy that looks was trained on other pictures, or nothing tells on which."""
    frames, used = document["frames_renderer"], document["simulator_description"]["renderer"]
    if not document["needs_images"] or frames == used:
        return None
    if frames is None:
        return (
            f"Renderer {used} drew these pictures; nothing tells which drew the frames that the policy was trained "
            "on. evaluate --replay compares with a dataset."
        )
    return (
        f"Renderer {frames} drew the frames that the policy was trained on, {used} these pictures: policies do worse "
        "on pictures of another renderer."
    )
