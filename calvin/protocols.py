"""Named evaluation protocols: how many sequences, of which list, with how many steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from errors import ConfigError
from settings.shown import shown
from settings.suggestions import did_you_mean

#: Steps per subtask that ReconVLA's released script really runs: its `--ep_len` defaults to 100 queries of
#: five actions, where the paper's protocol has 72 (evaluate_policy_multiserver.py; official code, R5).
OFFICIAL_COMPAT_STEPS = 500


@dataclass(frozen=True)
class Protocol:
    """The first `sequences` of `get_sequences(drawn)`, `max_steps` environment steps per subtask.

    official_compat: with the slips of ReconVLA's released evaluation (500 steps; rates over N + 1).
    """

    name: str
    sequences: int
    drawn: int
    max_steps: int
    official_compat: bool = False

    def compatible(self) -> Protocol:
        """The same list as the released script evaluates it."""
        return replace(self, max_steps=OFFICIAL_COMPAT_STEPS, official_compat=True)


#: CALVIN: 1000 sequences, 360 steps (calvin_agent/evaluation/evaluate_policy.py). ReconVLA: the first 500 of
#: the same list (evaluation/question.json), 72 queries of five actions.
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("calvin", sequences=1000, drawn=1000, max_steps=360),
        Protocol("reconvla-500", sequences=500, drawn=1000, max_steps=72 * 5),
    )
}


def protocol_named(name: str) -> Protocol:
    """Raises ConfigError, naming the known protocols."""
    if name not in PROTOCOLS:
        raise ConfigError(
            f"unknown protocol {shown(name)}; known protocols: {', '.join(PROTOCOLS)}{did_you_mean(name, PROTOCOLS)}"
        )
    return PROTOCOLS[name]
