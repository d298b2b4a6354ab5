"""Seeds of an ablation: named, or as many as it takes (`experiments.design.decision`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from experiments.design.bounds import FIRST_LOOK, MOST_LOOKED_AT
from experiments.reconvla.sections import Name, PositiveFloat, Section, Seed

_P = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Models = Annotated[int, Field(ge=0, le=MOST_LOOKED_AT)]


class PlannedSeeds(Section):
    """What the plan of an adaptive ablation holds; nobody else writes it."""

    bounds: tuple[_P, ...] = Field(description="the p of each look, set before the first training")
    seeds: dict[Name, _Models] = Field(description="of each arm, planned so far: 0, 1, ...")
    open: tuple[Name, ...] = Field(description="arms that get another seed; those of the last look")


class Adaptive(Section):
    """Rounds of one seed for all arms that are not decided yet."""

    max: Annotated[int, Field(ge=FIRST_LOOK, le=MOST_LOOKED_AT)] = Field(
        description="seeds of an arm at the last look; the first is at three"
    )
    margin: PositiveFloat = Field(
        description="in the measure's unit (tasks, or points for success_1 to success_5): an arm whose difference is "
        "shown to be smaller ends too"
    )
    measure: str | None = Field(
        default=None, description="avg_len, or success_1 to success_5; null: that of `comparison`"
    )
    sd: PositiveFloat | None = Field(
        default=None,
        description="how much a trained model's measure is expected to scatter between seeds, by which it is told "
        "beforehand whether the margin can be decided; null: as measured in this home, else on stored runs",
    )
    planned: PlannedSeeds | None = Field(default=None, json_schema_extra={"written": "by the plan"})

    @model_validator(mode="after")
    def _fits(self) -> Adaptive:
        if self.planned is not None and len(self.planned.bounds) != self.max - FIRST_LOOK + 1:
            raise ValueError(
                f"there are {len(self.planned.bounds)} bounds for looks at 3 to {self.max} seeds"
            )
        return self


class AdaptiveSeeds(Section):
    """Seeds in the form `seeds: {adaptive: {max: 12, margin: 0.25}}`."""

    adaptive: Adaptive


def _form(value: object) -> str:
    return "rounds" if isinstance(value, Mapping | AdaptiveSeeds) else "listed"


Seeds = Annotated[
    Annotated[tuple[Seed, ...], Tag("listed")] | Annotated[AdaptiveSeeds, Tag("rounds")], Discriminator(_form)
]
