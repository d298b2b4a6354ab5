"""What one ablation is: its rows, its seeds, and the settings that they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from errors import ConfigError
from experiments.design.bounds import FIRST_LOOK
from experiments.reconvla.sections import (
    READING,
    Attention,
    Comparison,
    Data,
    Evaluation,
    Gaze,
    Method,
    Model,
    Name,
    Section,
    Training,
)
from experiments.reconvla.seeds import Adaptive, AdaptiveSeeds, Seeds
from policies.registry import PolicySpec, policy_from_json
from policies.weights_spec import ReconVLAWeights
from settings.shown import cut

#: Of one ablation.
MOST_ROWS = 1000
#: Type of an error that is found with all settings together; its context has the `entry` at fault.
OF_ALL = "of_all"


class ArmEntry(Section):
    """A row of the table that is trained: what differs from the settings of the ablation, or from another arm."""

    base: Name | None = Field(
        default=None, description="the arm whose differences come first; null: the ablation's own settings"
    )
    title: Name | None = Field(default=None, description="in the table; null: the arm's name")
    set: dict[str, object] = Field(
        default_factory=dict, description="settings that differ, by `section.key` or nested"
    )
    judged: Literal["base", "own"] = Field(
        default="base",
        description="base: on the held-out frames and sequences of the ablation, but for what `set` says of "
        "`evaluation`, `attention`, `data.evaluation_scene` and `data.validation_demonstrations_per_task`; own: on "
        "those of the arm's own data",
    )


class PolicyRow(Section):
    """A row of the table that is judged and not trained here."""

    policy: dict[str, object] = Field(description="its kind, and what that kind takes")
    title: Name | None = Field(default=None, description="in the table; null: the row's name")

    def spec(self, place: str) -> PolicySpec:
        """Raises ConfigError that names an entry below `place`."""
        return policy_from_json(self.policy, f"{place}.policy")


def check_row(spec: PolicySpec, place: str) -> None:
    """Raises ConfigError for what is no row: weights of a job are of an arm."""
    if isinstance(spec, ReconVLAWeights):
        raise ConfigError(f"{place}.kind: weights of this home are of its arms; name a folder (kind: folder)")


def _form(value: object) -> str:
    return "rows" if isinstance(value, Mapping) else "names"


def _row(value: object) -> str:
    judged_only = isinstance(value, PolicyRow) or (isinstance(value, Mapping) and "policy" in value)
    return "policy" if judged_only else "arm"


Row = Annotated[
    Annotated[ArmEntry | None, Tag("arm")] | Annotated[PolicyRow, Tag("policy")], Discriminator(_row)
]
Rows = Annotated[
    Annotated[tuple[str, ...], Tag("names")] | Annotated[dict[Name, Row], Tag("rows")],
    Discriminator(_form),
]


class AblationConfig(Section):
    """The whole ablation."""

    name: Name = "ablation"
    arms: Rows = Field(
        default=("baseline", "recon", "recon_pretrain"),
        description="names of built-in arms; or rows by name: null for a built-in arm, an arm of your own, or a "
        "`policy` that is judged and not trained",
    )
    seeds: Seeds = Field(
        default=(0,), description="of every arm; or `adaptive`: as many as it takes to decide"
    )
    scheduling: Literal["round_robin", "finish_first"] = Field(
        default="round_robin",
        description="slices alternate between runs, or a run is trained and judged before the next begins",
    )
    method: Method = Method()
    data: Data = Data()
    gaze: Gaze = Gaze()
    model: Model = Model()
    training: Training = Training()
    pretraining: Training = Training()
    evaluation: Evaluation = Evaluation()
    attention: Attention = Attention()
    comparison: Comparison = Comparison()

    @field_validator("arms", mode="before")
    @classmethod
    def _as_written(cls, arms: object) -> object:
        for name in arms if isinstance(arms, (Mapping, list, tuple)) else ():
            if isinstance(name, Mapping):
                told = {"entry": "arms"}
                message = "{entry}: rows that set something are a mapping, {heavy: {base: recon, set: {...}}}"
                raise PydanticCustomError(OF_ALL, message, told)
            if isinstance(arms, Mapping) and not isinstance(name, str):
                told = {"entry": "arms", "name": "null" if name is None else str(name).lower()}
                message = "{entry}: a row is called {name}, as YAML reads it; put its name in quotes"
                raise PydanticCustomError(OF_ALL, message, told)
        return arms

    @field_validator("arms")
    @classmethod
    def _judgeable(cls, arms: Rows) -> Rows:
        for name, row in arms.items() if isinstance(arms, dict) else ():
            if isinstance(row, PolicyRow):
                check_row(row.spec(f"arms.{name}"), f"arms.{name}.policy")
        return arms

    @property
    def trained(self) -> dict[str, ArmEntry | None]:
        """The arms; None stands for a built-in one."""
        if not isinstance(self.arms, dict):
            return dict.fromkeys(self.arms)
        return {name: row for name, row in self.arms.items() if not isinstance(row, PolicyRow)}

    @property
    def policies(self) -> dict[str, PolicyRow]:
        """Rows that are judged alone."""
        arms = self.arms if isinstance(self.arms, dict) else {}
        return {name: row for name, row in arms.items() if isinstance(row, PolicyRow)}

    @property
    def has_closed_loop(self) -> bool:
        """Whether there is a simulator of the scenes that the demonstrations show."""
        evaluation = self.evaluation
        return self.data.root is None or evaluation.assets is not None or evaluation.simulator != "playtable"

    @property
    def adaptive(self) -> Adaptive | None:
        """None where the seeds are named."""
        return self.seeds.adaptive if isinstance(self.seeds, AdaptiveSeeds) else None

    @property
    def is_open(self) -> bool:
        """Whether another round of seeds may follow."""
        adaptive = self.adaptive
        return adaptive is not None and (adaptive.planned is None or bool(adaptive.planned.open))

    def seeds_of(self, arm: str) -> tuple[int, ...]:
        """Seeds of an arm, in their order; of adaptive ones those that are planned so far."""
        if not isinstance(self.seeds, AdaptiveSeeds):
            return self.seeds
        planned = self.seeds.adaptive.planned
        return tuple(range(FIRST_LOOK if planned is None else planned.seeds.get(arm, 0)))

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Those of any arm."""
        if not isinstance(self.seeds, AdaptiveSeeds):
            return self.seeds
        return max((self.seeds_of(arm) for arm in self.trained), key=len, default=(0,)) or (0,)

    @model_validator(mode="after")
    def _not_empty(self) -> AblationConfig:
        for field in ("arms", "seeds"):
            values = getattr(self, field)
            if isinstance(values, AdaptiveSeeds):
                continue
            if not values:
                raise PydanticCustomError(OF_ALL, "{entry} is empty", {"entry": field})
            if len(set(values)) != len(values):
                told = {"entry": field, "values": cut(", ".join(map(str, values)))}
                raise PydanticCustomError(OF_ALL, "{entry} names something twice: {values}", told)
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Without what earlier builds do not know, where it says nothing: reports are keyed by all settings."""
        values: dict[str, object] = write(self)
        if self.method == Method():
            values.pop("method", None)
        if self.comparison == Comparison():
            values.pop("comparison", None)
        data = values.get("data")
        if isinstance(data, dict):
            for setting in READING:
                if getattr(self.data, setting) == Data.model_fields[setting].default:
                    data.pop(setting, None)
        evaluation = values.get("evaluation")
        if isinstance(evaluation, dict) and self.evaluation.sequences_file is None:
            evaluation.pop("sequences_file", None)
        return values
