"""Policies by kind: what describes each, and how it is opened. What a kind needs is imported when one is opened."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args, get_origin, get_type_hints, overload

from benchmark.embodiment import CHUNK_STEPS
from errors import ConfigError, InvalidInput
from policies.base import ModelPolicy, Policy
from settings.code_source import reference_of
from settings.places import expanded
from settings.shown import cut, shown
from settings.suggestions import did_you_mean
from settings.typed_json import from_json, to_json

if TYPE_CHECKING:
    from policies.weights_spec import ReconVLAWeights

#: The type that a folder stores its weights in, and fp32 for a job's.
AUTO = "auto"
#: What weights can be loaded in. `4bit` is for a ReconVLA.
PRECISIONS = (AUTO, "fp32", "bf16", "fp16", "4bit")
#: What a policy server answers.
RELATIVE, ABSOLUTE = ACTIONS = ("relative", "absolute")
#: Actions carried out per answer of a policy server: two seconds.
MOST_CHUNK_STEPS = 64

_SINCE = "later"
_LATER = {_SINCE: True}

#: What fields may be called in messages.
_TYPE_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class RandomActions:
    """Chance. Each seed draws other actions."""

    seed: int = 0

    def __post_init__(self) -> None:
        need(self.seed >= 0, "seed", f"must be 0 or more, got {shown(self.seed)}")


@dataclass(frozen=True)
class ScriptedExpert:
    """What a simulator and its oracle allow at best."""


@dataclass(frozen=True)
class PolicyServer:
    """chunk_steps: actions carried out per answer. timeout_seconds: of each of 20 tries. actions: what it answers,
    `relative` actions or `absolute` poses (`benchmark.actions.relative_actions`)."""

    url: str
    chunk_steps: int = CHUNK_STEPS
    timeout_seconds: float = 120.0
    actions: str = field(default=RELATIVE, metadata=_LATER)

    def __post_init__(self) -> None:
        need(
            1 <= self.chunk_steps <= MOST_CHUNK_STEPS,
            "chunk_steps",
            f"must be 1 to {MOST_CHUNK_STEPS}, got {shown(self.chunk_steps)}",
        )
        need(0 < self.timeout_seconds < math.inf, "timeout_seconds",
              f"must be above 0, got {shown(self.timeout_seconds)}")  # fmt: skip
        need(self.actions in ACTIONS, "actions", f"must be {' or '.join(ACTIONS)}, got {shown(self.actions)}")


@dataclass(frozen=True)
class OpenVLAFolder:
    """statistics: data set whose units the actions have, None for the only one. center_crop: show it the middle of
    pictures; None: where the folder's name says so."""

    folder: str
    statistics: str | None = None
    precision: str = AUTO
    center_crop: bool | None = None

    def __post_init__(self) -> None:
        need_precision(self.precision)


@dataclass(frozen=True)
class ReconVLAFolder:
    """In the Hugging Face layout, ours or the official one. batch: rows of every forward pass. detector: finds the gaze
    region for a model that is shown it. official_compat: asked as the released server asks it."""

    folder: str
    precision: str = AUTO
    batch: int = 8
    detector: str = "colour"
    official_compat: bool = False

    def __post_init__(self) -> None:
        need_precision(self.precision)
        need(self.batch > 0, "batch", f"must be positive, got {shown(self.batch)}")


@dataclass(frozen=True)
class OwnClass:
    """A class of the user's own, `module:Class@digest` (`class` in JSON), and what it is made with by keyword."""

    class_: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        need(
            reference_of(self.class_) is not None,
            "class",
            f"must be a class of yours as module:Class, got {shown(self.class_)}",
        )
        try:
            to_json(self.options)
        except TypeError as error:
            raise ConfigError(f"options: {error}") from None


ModelPolicySpec: TypeAlias = "OpenVLAFolder | ReconVLAFolder | ReconVLAWeights"
PolicySpec: TypeAlias = "RandomActions | ScriptedExpert | PolicyServer | OwnClass | ModelPolicySpec"


@dataclass(frozen=True)
class _Kind:
    """described_by: the class of its specs, or `module:Class` where that needs more than most policies do. opened_by:
    `module:callable`, which takes the fields of a spec by their names. reaches_out: it asks over a network, or reads a
    folder that it names. place: the field that names the folder or file of its model."""

    described_by: type[PolicySpec] | str
    opened_by: str
    reaches_out: bool = False
    place: str | None = None

    @property
    def spec(self) -> type[PolicySpec]:
        by = self.described_by
        return by if isinstance(by, type) else cast("type[PolicySpec]", _imported(by))


_KINDS = {
    "random": _Kind(RandomActions, "policies.random_actions:RandomPolicy"),
    "expert": _Kind(ScriptedExpert, "policies.expert:ExpertPolicy"),
    "http": _Kind(PolicyServer, "policies.remote:RemotePolicy", reaches_out=True),
    "own": _Kind(OwnClass, "policies.own:OwnPolicy"),
    "openvla": _Kind(OpenVLAFolder, "policies.openvla:OpenVLAPolicy", True, "folder"),
    "folder": _Kind(ReconVLAFolder, "policies.checkpoint_folder:folder_policy", True, "folder"),
    "reconvla": _Kind(
        "policies.weights_spec:ReconVLAWeights", "policies.checkpoint_folder:weights_policy", True, "weights"
    ),
}


def kind_of(spec: PolicySpec) -> str:
    return next(name for name, kind in _KINDS.items() if kind.spec is type(spec))


def reaches_out(spec: PolicySpec) -> bool:
    """Whether it asks over a network, or reads what lies at a place that it names."""
    return _KINDS[kind_of(spec)].reaches_out


@overload
def open_policy(spec: ModelPolicySpec) -> ModelPolicy: ...


@overload
def open_policy(spec: PolicySpec) -> Policy: ...


def open_policy(spec: PolicySpec) -> Policy:
    """The policy that `spec` describes, ready to act.

    Raises InvalidInput, CheckpointError or WeightsMissing for what is no policy, EnvironmentLacks for what this machine
    has not.
    """
    return cast(Policy, _imported(_KINDS[kind_of(spec)].opened_by)(**vars(spec)))


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def in_its_place(spec: PolicySpec, where: str = "policy") -> PolicySpec:
    """`spec` with the whole path of its model, where it has one. where: for the refusal of a `~` that is nobody's
    (ConfigError)."""
    name = _KINDS[kind_of(spec)].place
    if name is None:
        return spec
    place = expanded(getattr(spec, name), f"{where}.{name}").absolute()
    moved: Any = replace(cast(Any, spec), **{name: str(place)})
    return cast(PolicySpec, moved)


def identity(spec: PolicySpec) -> str | None:
    """SHA-256 of its model's files, which tells it from what lies there later; None for a policy that names no place.

    Raises CheckpointError or WeightsMissing for what cannot be read.
    """
    name = _KINDS[kind_of(spec)].place
    if name is None:
        return None
    from policies.checkpoint_folder import identity_of  # imports torch, which few policies need

    return identity_of(Path(getattr(spec, name)))


def policy_json(spec: PolicySpec) -> dict[str, object]:
    """`spec` as plain JSON: its `kind`, and all its fields, but for those that earlier versions did not have where they
    hold their defaults: keys of jobs stay what they were."""
    told = {
        one.name: getattr(spec, one.name)
        for one in dataclasses.fields(spec)
        if not (one.metadata.get(_SINCE) and getattr(spec, one.name) == one.default)
    }
    return {"kind": kind_of(spec), **{_entry(name): to_json(value) for name, value in told.items()}}


def policy_from_json(values: Any, where: str = "policy") -> PolicySpec:
    """Inverse of `policy_json`; fields that have a default may be missing.

    Raises ConfigError naming the first field, below `where`, that is unknown, missing or of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where}: must be a mapping with a kind ({', '.join(_KINDS)}), got {shown(values)}"
        )
    given = dict(values)
    if "kind" not in given:
        raise ConfigError(f"{where}.kind: is missing; known kinds: {', '.join(_KINDS)}")
    kind = given.pop("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        near = did_you_mean(kind, _KINDS) if isinstance(kind, str) else ""
        raise ConfigError(f"{where}.kind: {shown(kind)} is unknown; known kinds: {', '.join(_KINDS)}{near}")
    spec = _KINDS[kind].spec
    fields = {_entry(one.name): one for one in dataclasses.fields(spec)}
    for name in given:
        if name not in fields:
            takes = ", ".join(fields) or "nothing"
            near = did_you_mean(str(name), fields)
            raise ConfigError(
                f"{where}.{cut(str(name))}: unknown; a policy of kind {kind} takes: {takes}{near}"
            )
    for name, one in fields.items():
        has_default = (one.default, one.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if name not in given and not has_default:
            raise ConfigError(f"{where}.{name}: is missing; a policy of kind {kind} needs it")
    hints = get_type_hints(spec, include_extras=True)
    typed = {
        fields[name].name: _typed(hints[fields[name].name], value, f"{where}.{name}")
        for name, value in given.items()
    }
    try:
        return spec(**typed)
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from None


def text_entries() -> list[str]:
    """Entries of `policy_json` that are texts, of any kind: names, places, addresses."""
    hints = {
        _entry(name): hint for kind in _KINDS.values() for name, hint in get_type_hints(kind.spec).items()
    }
    return ["kind", *(name for name, hint in hints.items() if hint in (str, str | None))]


def _entry(field_name: str) -> str:
    """A field as JSON names it: `class` is a word of Python's."""
    return field_name.rstrip("_")


def _typed(hint: Any, value: Any, where: str) -> Any:
    """`value` where it is of the type `hint`: lists are of `settings.typed_json.Items`; whole numbers pass for numbers.
    Raises ConfigError."""
    allowed = get_args(hint) if type(None) in get_args(hint) else (hint,)
    if value is None and type(None) in allowed:
        return value
    (wanted,) = (one for one in allowed if one is not type(None))
    if wanted is float and type(value) is int:
        return float(value)
    if wanted not in _TYPE_NAMES:
        is_object = dataclasses.is_dataclass(wanted) or get_origin(wanted) is Mapping
        if is_object and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: must be a mapping, got {shown(value)}")
        try:
            return from_json(wanted, value, where)
        except InvalidInput as error:
            raise ConfigError(str(error)) from None
    if type(value) is not wanted:
        raise ConfigError(f"{where}: must be {_TYPE_NAMES[wanted]}, got {shown(value)}")
    return value


def need(condition: bool, field: str, message: str) -> None:
    """Raises ConfigError for a field of a spec that does not hold."""
    if not condition:
        raise ConfigError(f"{field}: {message}")


def need_precision(precision: str) -> None:
    need(
        precision in PRECISIONS,
        "precision",
        f"must be one of {', '.join(PRECISIONS)}, got {shown(precision)}",
    )
