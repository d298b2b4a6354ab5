"""One evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.table import Table

from calvin.sequences import CHAIN_LENGTH
from reports.statistics import mean_interval, success_intervals
from settings.shown import readable
from views.console import Console


def print_evaluation(document: Mapping[str, Any]) -> None:
    """Rates and average length with 95 % intervals, the table by task, and n."""
    document = readable(document)
    done = np.array([[entry["done"] for entry in document["results"]]])
    console = Console(width=None if Console().is_terminal else 120)
    rates = Table(title=f"{document['policy']}: n = {document['sequences']} sequences, "
                  f"{document['max_steps']} steps a subtask, scene {document['scene']}")  # fmt: skip
    rates.add_column("in a row")
    rates.add_column("success", justify="right")
    rates.add_column("95 % interval")
    for k, (rate, (low, high)) in enumerate(
        zip(document["success"], success_intervals(done, CHAIN_LENGTH)), start=1
    ):
        rates.add_row(f"{k}/{CHAIN_LENGTH}", f"{rate:.1%}", f"{low:.1%} to {high:.1%}")
    length = mean_interval(done)
    told_length = "none: all sequences are alike" if length is None else f"{length[0]:.3f} to {length[1]:.3f}"
    rates.add_row("average length", f"{document['avg_len']:.3f}", told_length)
    console.print(rates)
    console.print(
        "Intervals are of these weights, for one look at the end; those that were told before hold at any look."
    )
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
    for sentence in (*_about_frames(document), *_about_words(document)):
        console.print(sentence)
    if document.get("statistics_used") is not None:
        console.print(f"Actions are in the units of data set {document['statistics_used']!r}.")
    counted = _counted(document["counts"])
    if counted:
        whole = document["counted_sequences"] == len(document["results"])
        which = "" if whole else f" in the {document['counted_sequences']} sequences of this call"
        console.print(f"Counted{which}: {', '.join(counted)}")


def _counted(counts: Mapping[str, Any]) -> list[str]:
    """What happened on the way. Tokens that are no actions are told with their total also where there are none."""
    told = []
    answered = counts.get("answer_tokens")
    if answered:
        told.append(f"outside_tokens {counts.get('outside_tokens', 0)} of {answered}")
    for name, count in counts.items():
        if isinstance(count, dict):
            told += [f"{name} {why} {n}" for why, n in count.items() if n]
        elif count and not (answered and name in ("outside_tokens", "answer_tokens")):
            told.append(f"{name} {count}")
    return told


def _about_frames(document: Mapping[str, Any]) -> Iterator[str]:
    """For a policy that looks: what drew the frames that it was trained on, and whether that differs from here."""
    frames, used = document["frames_renderer"], document["simulator_description"]["renderer"]
    basis = document.get("frames_basis")
    if not document["needs_images"]:
        return
    if frames is None:
        why = "nothing tells which drew the frames that the policy was trained on"
        if basis is not None:
            why = f"which drew the frames that the policy was trained on is unknown ({basis})"
        yield f"Renderer {used} drew these pictures; {why}. evaluate --replay compares with a dataset."
        return
    if basis is not None:
        yield f"Renderer {frames} drew the frames that the policy was trained on: {basis}."
    if frames != used:
        yield (
            f"Renderer {frames} drew the frames that the policy was trained on, {used} these pictures: policies do "
            "worse on pictures of another renderer."
        )


def _about_words(document: Mapping[str, Any]) -> Iterator[str]:
    """For a policy that is told what to do: in whose words, and what of it is known."""
    policy = str(document["policy"])
    if policy in ("expert", "random"):
        return
    calvin = document.get("assets") is not None or document.get("simulator") == "calvin"
    if calvin and document.get("instructions") is None:
        yield (
            "Instructions were Baton's own phrases. A policy that was trained on CALVIN's does worse with them: name "
            "CALVIN's with --instructions (calvin_models/conf/annotations/new_playtable_validation.yaml)."
        )
    url = document.get("policy_spec", {}).get("url", policy)
    if url.startswith(("http://", "https://")):
        yield f"What answered at {url} is known by its address alone: no weights can be named."
