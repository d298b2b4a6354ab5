"""What an ablation can find, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from views.spans import span

#: Digits after the point of what is said in a unit.
_DIGITS = {"points": 0}


def power_lines(document: Mapping[str, Any] | None) -> list[str]:
    """Of `power` of `plan --json`; None: nothing is judged in closed loop, or nothing trained."""
    if document is None:
        return []
    lines = []
    if document["adaptive"] is not None:
        lines.append(f"adaptive seeds: {rounds(document['adaptive'])}")
        lines += [_measure_line(entry, 1) for entry in document["measures"]]
    elif document["arms"] > 1:
        lines.append(f"power: {finds(document)}")
        lines += [_measure_line(entry, document["seeds"]) for entry in document["measures"]]
    else:
        lines.append("power: one arm is compared with nothing")
    lines += [f"  {sentence}" for sentence in dict.fromkeys(map(_source, document["measures"]))]
    lines += _asked_lines(document)
    if document["unread_ablations"]:
        lines.append(f"  {document['unread_ablations']} earlier ablations could not be read for it")
    return lines


def _measure_line(entry: Mapping[str, Any], seeds: int) -> str:
    low, high = (_sd(edge, entry) for edge in entry["sd_between_seeds_interval"])
    scatter = f"SD between seeds {_sd(entry['sd_between_seeds'], entry)} ({low} to {high})"
    if seeds < 2:
        return f"  {entry['label']}: {scatter}"
    least, most = (amount(edge, entry) for edge in entry["detects_interval"])
    if entry["detects"] is None and least == most:
        return f"  {entry['label']}: nothing, however uncertain the SD; {scatter}"
    found = "nothing" if entry["detects"] is None else f"{with_unit(entry['detects'], entry)} and more"
    return f"  {entry['label']}: {found} ({least} to {most} as the SD is uncertain); {scatter}"


def rounds(adaptive: Mapping[str, Any]) -> str:
    """One sentence of looks that are planned, and what they can decide."""
    margin, chance = with_unit(adaptive["margin"], adaptive), adaptive["power_at_margin"]
    first = (
        f"an arm is looked at from {adaptive['first_look']} to {adaptive['max']} seeds and differs at p of "
        f"{adaptive['bound']:.2g} and less"
    )
    if chance is None:
        return f"{first}; whether {margin} in {adaptive['label']} can be decided is not known"
    return (
        f"{first}; {margin} in {adaptive['label']} are found with a power of {100 * chance:.0f} % and more, and at "
        f"the last look the interval is about ± {amount(adaptive['half_width'], adaptive, 1)}"
    )


def finds(document: Mapping[str, Any]) -> str:
    """One sentence: the differences of methods that the ablation as it is written finds."""
    if document["adaptive"] is not None:
        return rounds(document["adaptive"])
    seeds, power = document["seeds"], f"{100 * document['power']:.4g} %"
    if seeds < 2:
        moves = [f"± {with_unit(entry['another_seed_moves'], entry)} in {entry['label']}"
                 for entry in _main(document)]  # fmt: skip
        return (
            "1 seed speaks of these weights, not of the method: another seed moves a difference by "
            f"{' and '.join(moves)} (95 % of the time no more)"
        )
    entries = _main(document)
    found = [
        f"{with_unit(entry['detects'], entry)} in {entry['label']}"
        for entry in entries
        if entry["detects"] is not None
    ]
    if not found:
        return f"{seeds} seeds find no difference of methods with a power of {power}, however large"
    none = "".join(f", and none in {entry['label']}" for entry in entries if entry["detects"] is None)
    several = document["arms"] - 1
    corrected = f"; Holm's correction for {several} comparisons asks for more" if several > 1 else ""
    return f"{seeds} seeds find differences of {' and '.join(found)} and more{none}, with a power of {power}{corrected}"


def amount(value: float | None, entry: Mapping[str, Any], more: int = 0) -> str:
    """more: digits."""
    if value is None:
        return "none"
    digits = _DIGITS.get(entry["unit"], 2) + more
    return f"{value:.{digits}f}"


def with_unit(value: float | None, entry: Mapping[str, Any]) -> str:
    return f"{amount(value, entry)} {entry['unit']}"


def _main(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The first share and the mean, of those that anything is known of."""
    measures = document["measures"]
    shares = [entry for entry in measures if entry["unit"] == "points"]
    return [*shares[:1], *(entry for entry in measures if entry["unit"] != "points")]


def _source(entry: Mapping[str, Any]) -> str:
    left_out = entry["arms_left_out"]
    return (
        f"measured on {entry['source']}, {entry['degrees_of_freedom']} degrees of freedom between seeds"
        + (f"; {left_out} arms of this home say nothing of it" if left_out else "")
    )


def _sd(value: float, entry: Mapping[str, Any]) -> str:
    return f"{value:.{_DIGITS.get(entry['unit'], 1) + 1}f}"


def _asked_lines(document: Mapping[str, Any]) -> list[str]:
    asked = document["asked"]
    if asked is None:
        return []
    wanted = f"{asked['difference']:g} {asked['unit']} in {asked['label']}"
    if asked["options"] is None:
        return [f"  {wanted}: nobody has measured yet how much that scatters between seeds"]
    lines = [f"  to find {wanted} with a power of {100 * document['power']:.4g} %, an arm needs"]
    for option in asked["options"]:
        low, high = (_seeds(edge) for edge in option["seeds_interval"])
        what = [
            f"    {_seeds(option['seeds'])} seeds with {option['sequences']} sequences each ({low} to {high})"
        ]
        if option["worker_seconds"] is not None:
            what.append(f"{span(option['worker_seconds'])} of one worker for all arms")
        if option["sequences"] == asked["cheapest"]:
            what.append("the cheapest of these")
        lines.append(", ".join(what))
    return lines


def _seeds(count: int | None) -> str:
    return "more than 1000" if count is None else str(count)
