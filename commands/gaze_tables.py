"""The tables of `gaze`: narrow enough for a terminal of 80 columns, and the same in a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

_RIGHT, _WRONG = "trusted\n& right", "trusted\n& wrong"


def source_table(result: Mapping[str, Any]) -> Table:
    table = _table("how a region was found, or why not", "frames")
    for source, count in result["sources"].items():
        table.add_row(source, str(count))
    return table


def wording_sentence(result: Mapping[str, Any]) -> str | None:
    """What became of instructions that are not understood; None where all are."""
    unknown, by_task = result["sources"].get("unknown_wording", 0), result["by_task"]
    if unknown:
        return "unknown_wording: gaze.unknown_wording=task (here --unknown-wording task) takes the task's target."
    if by_task["demonstrations"]:
        return (
            f"In {by_task['demonstrations']} of {result['demonstrations']} demonstrations ({by_task['frames']} frames) "
            "the instruction is not understood: the task's target was taken."
        )
    return None


def object_table(result: Mapping[str, Any]) -> Table:
    """How right the regions are by what was looked for; rates are of the visible and of all labelled frames."""
    table = _table(
        "object",
        "frames",
        "visible",
        "detected",
        "rate",
        "mean\nIoU",
        _RIGHT,
        _WRONG,
        "false\ntargets",
        "false\nrate",
    )
    for name, entry in result["objects"].items():
        table.add_row(
            name, str(entry["frames"]), str(entry["visible"]), str(entry["detected"]), _percent(entry["rate"]),
            _number(entry["mean_iou"]), str(entry["trusted_right"]),
            str(entry["trusted_wrong"]), str(entry["false_targets"]),
            _percent(entry["false_rate"]),
        )  # fmt: skip
    return table


def difficulty_table(result: Mapping[str, Any]) -> Table:
    table = _table("difficulty", "frames", "detected", "rate", "mean\nIoU", _RIGHT)
    table.add_column("outcomes", no_wrap=True)
    for level, entry in result["figures"].items():
        table.add_row(
            level, str(entry["frames"]), str(entry["detected"]), _percent(entry["rate"]),
            _number(entry["mean_iou"]), str(entry["trusted_right"]),
            "\n".join(f"{name} {count}" for name, count in entry["outcomes"].items()),
        )  # fmt: skip
    return table


def stage_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """A row for every run: the stages were switched on one after the other."""
    table = _table(
        "stages so far",
        "simple",
        "complex",
        "mean\nIoU",
        _RIGHT,
        _WRONG,
        "false\ntargets",
        "guesses",
        "trusted\nframes",
    )
    for result in results:
        figures, whole = result["figures"], result["objects"]["all"]
        rates = (figures[level]["rate"] if level in figures else None for level in ("simple", "complex"))
        table.add_row(
            f"+ {result['stages'][-1]}" if result["stages"] else "none", *map(_percent, rates),
            _number(whole["mean_iou"]), str(whole["trusted_right"]), str(whole["trusted_wrong"]),
            str(whole["false_targets"]),
            str(whole["guesses"]), str(result["trusted"]),
        )  # fmt: skip
    return table


def _table(first: str, *numbers: str) -> Table:
    """A column of names and columns of numbers, none of which is ever wrapped or cut."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, no_wrap=True, justify="right")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
