"""Looks at an ablation with adaptive seeds: what was planned, what was seen, and how each arm ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest

from experiments.design.bounds import FIRST_LOOK
from experiments.design.decision import ArmDecision, Rules
from experiments.design.measures import Measure
from reports.data import ReportData
from reports.last_look import LastLook
from reports.numbers import bound_words, interval_words, p_equals, signed
from reports.section import Part
from reports.summary import Summary

_SAID = {
    "open": "goes on",
    "better": "different: above the baseline",
    "worse": "different: below the baseline",
    "within": "within the margin",
    "undecided": "not decided by the last look",
}


@dataclass(frozen=True)
class Looks(Part):
    """Not shown where seeds were named."""

    template = "experiments.reconvla.report.parts/looks.html"

    rules: Rules | None = None
    measure: Measure | None = None
    decisions: tuple[ArmDecision, ...] = ()
    titles: Mapping[str, str] | None = None

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        if self.rules is None or self.measure is None:
            return None
        titles = self.titles or {}
        looks = zip_longest(*map(self._cells, self.decisions))
        return {
            "arms": [(titles.get(one.arm, one.arm), _SAID[one.verdict]) for one in self.decisions],
            "rows": list(enumerate(looks, start=FIRST_LOOK)),
            "measure": self.measure.label,
            "unit": self.measure.unit,
            "margin": f"{self.rules.margin:g}",
            "most": self.rules.most,
            "baseline": titles.get(self.rules.baseline, self.rules.baseline),
            "bound": bound_words(self.rules.bounds[0]),
        }

    def _cells(self, decision: ArmDecision) -> list[tuple[str, str, str]]:
        """Difference, interval and p of each look."""
        assert self.measure is not None and self.rules is not None
        digits = 1 if self.measure.unit == "points" else 2
        found = []
        for look in decision.looks:
            interval, p = "nothing varies", ""
            if look.interval is not None and look.p_value is not None:
                interval = interval_words(look.interval, 1, digits, self.rules.margin)
                p = p_equals(look.p_value, look.bound)
            found.append((signed(look.difference, digits), interval, p))
        return found

    def last_looks(self) -> Mapping[str, LastLook] | None:
        """By arm, for what else a report says of it; None where seeds were named."""
        if self.rules is None or self.measure is None:
            return None
        scale = 1.0 if self.measure.level is None else 100.0
        return {one.arm: _last(one, self.rules, scale) for one in self.decisions}

    def document(self) -> Mapping[str, object]:
        """`adaptive`: null where seeds were named. interval: of the last look, which the looks allow."""
        if self.rules is None or self.measure is None:
            return {"adaptive": None}
        return {
            "adaptive": {
                "measure": self.measure.name,
                "unit": self.measure.unit,
                "baseline": self.rules.baseline,
                "margin": self.rules.margin,
                "max": self.rules.most,
                "bounds": list(self.rules.bounds),
                "arms": [
                    {
                        "arm": one.arm,
                        "verdict": one.verdict,
                        "seeds": one.looks[-1].seeds if one.looks else None,
                        "difference": one.looks[-1].difference if one.looks else None,
                        "interval": one.looks[-1].interval if one.looks else None,
                        "looks": [asdict(look) for look in one.looks],
                    }
                    for one in self.decisions
                ],
            }
        }


def _last(decision: ArmDecision, rules: Rules, scale: float) -> LastLook:
    """scale: of the measure's unit over its column's."""
    margin = rules.margin / scale
    if not decision.looks:
        return LastLook(0, decision.verdict, None, None, rules.bounds[0], margin, rules.most)
    look = decision.looks[-1]
    interval = None if look.interval is None else (look.interval[0] / scale, look.interval[1] / scale)
    return LastLook(look.seeds, decision.verdict, interval, look.p_value, look.bound, margin, rules.most)
