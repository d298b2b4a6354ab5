"""`evaluate A --against B`: both on the same sequences, until they are told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calvin.sequences import CHAIN_LENGTH
from commands.named_policy import NamedPolicy
from errors import InvalidInput
from reports.numbers import p_equals, signed
from settings.shown import one_line
from settings.streams import say
from simulators.rendering import Renderer
from tasks.evaluate.against import Contender, Pairs, evaluate_against
from tasks.evaluate.chains import ChainsSpec
from views.live_estimate import FirstSteps


def evaluate_and_print(
    first: NamedPolicy,
    second: NamedPolicy,
    listed: Mapping[str, Any],
    renderer: Renderer,
    sequences: int,
    protocol: str,
    options: Mapping[str, Any],
    as_json: bool,
) -> None:
    """listed: the list of sequences (`commands.evaluate`). Raises InvalidInput for one policy under two names."""
    if (first.name, dict(first.about)) == (second.name, dict(second.about)):
        raise InvalidInput(f"--against {second.name}: it is the same policy; name another")
    one, other = (
        Contender(named.name, named.policy, {**named.about, "protocol": protocol})
        for named in (first, second)
    )

    looked, first_steps = False, FirstSteps(sequences, "no block of both")

    def stepped(steps: int) -> None:
        if not looked:
            first_steps(steps)

    def tell(pairs: Pairs) -> None:
        nonlocal looked
        looked = True
        if not as_json:
            say(f"{pairs.sequences} of {sequences} sequences: {_counts(pairs)}", error=True)

    document = evaluate_against(
        one,
        other,
        ChainsSpec(**listed, renderer=renderer),
        sequences,
        options["level"],
        tell,
        None if options["out"] is None else Path(options["out"]),
        stepped,
    )
    if as_json:
        say(json.dumps(document))
        return
    for line in lines(document):
        say(one_line(line))


def lines(document: Mapping[str, Any]) -> list[str]:
    """For people."""
    names, played = (document["policy"], document["against"]), document["sequences"]
    what = f"{document['level']}/{CHAIN_LENGTH}"
    found = [
        f"{name}: {rate:.1%} at {what} of {played} sequences"
        for name, rate in zip(names, document["success"])
    ]
    won, lost, p = document["won"], document["lost"], document["p_value_these_weights"]
    found.append(
        f"difference {signed(100 * document['difference'], 1)} points; of {won + lost} sequences on which they differ "
        f"the first did {won}, the second {lost}"
    )
    if document["decided"]:
        saved = document["most_sequences"] - played
        found.append(
            f"{document['better']} is better at {what} ({p_equals(p)}, which holds whenever it is stopped)"
            + (f"; {saved} sequences were not needed" if saved else "")
            + ". Whoever stops once a difference shows sees it larger than it is."
        )
    else:
        told = p_equals(p) if won + lost else "they differ on no sequence"
        found.append(f"they were not told apart ({told})")
    found.append("This is of these two policies: weights of another seed may do otherwise.")
    return found


def _counts(pairs: Pairs) -> str:
    return f"{pairs.won} to {pairs.lost} where they differ, e-value {pairs.most_e:.3g}"
