"""How an arm with adaptive seeds stands: at its last look, by rules that were set before anything was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["open", "better", "worse", "within", "undecided"]

#: Why an arm has neither interval nor p before its first look.
NO_LOOK_YET = "no look yet"


@dataclass(frozen=True)
class LastLook:
    """Of an arm against the baseline, over the first `seeds` models of each; 0: it was not looked at yet.

    interval: 95 % that all looks at all arms hold together, in the measure's own unit (shares 0 to 1), and p_value that
    of this look alone, which is a difference at or below `bound`; None where nothing varies. margin: in the measure's
    own unit. most: seeds of an arm at the last look that is planned.
    """

    seeds: int
    verdict: Verdict
    interval: tuple[float, float] | None
    p_value: float | None
    bound: float
    margin: float
    most: int

    @property
    def is_difference(self) -> bool:
        """Whether the rules call the arm different."""
        return self.verdict in ("better", "worse")
