"""Experiments: what an ablation's settings are, which jobs they mean, and what a report shows of these."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast

from errors import ConfigError
from settings.shown import shown
from settings.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from db.plans import Plan
    from experiments.design.decision import ArmDecision
    from experiments.design.design import Design
    from reports.data import ReportData
    from reports.metric import Metric
    from settings.json_values import JsonObject
    from tasks.records import Find, JobRecord, Records

C = TypeVar("C", bound="BaseModel")


@dataclass(frozen=True)
class Written:
    """A configuration as options of a command name it; None and empty ones were not given.

    vary_before: how many of `vary` stood before each of `vary_with`; empty: all.
    """

    preset: str | None = None
    file: Path | None = None
    overrides: Sequence[str] = ()
    vary: Sequence[str] = ()
    vary_with: Sequence[str] = ()
    vary_before: Sequence[int] = ()
    arms: Sequence[str] | None = None
    seeds: Sequence[str] | None = None
    data: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Allowed:
    """Of somebody else's settings. policies: rows may ask over a network, and read folders. code: digests of the source
    that came along."""

    policies: bool
    code: Collection[str]


@dataclass(frozen=True)
class TakenOver:
    """Somebody else's settings as they count here: without `programs`. places: paths on this machine that they name."""

    settings: dict[str, object]
    programs: Sequence[str] = ()
    places: Sequence[str] = ()


class Experiment(Protocol[C]):
    """config_class: settings as people write them and the state keeps them; its `name` is the ablation's. kept_kinds:
    kinds of job whose parameters decide how an ablation that is there already is planned. judging_kinds: those that
    `results` reads. metric: of these results."""

    config_class: type[C]
    kept_kinds: tuple[str, ...]
    judging_kinds: tuple[str, ...]
    metric: Metric

    def load(self, written: Written) -> C:
        """The settings that a command line comes to. Raises ConfigError with one sentence that names the place and the
        key, also for an option that this experiment has not."""

    def plan(self, config: C, kept: Iterable[tuple[str | None, JsonObject]] = ()) -> Plan:
        """The jobs. kept: (arm, parameters) of an ablation's jobs of `kept_kinds`, which it shall go on with.

        Raises ConfigError or DatasetError for what cannot work; nothing is written by planning.
        """

    def pinned(self, config: C, known: Iterable[JsonObject]) -> C:
        """The settings with what they name elsewhere made certain: a commit where a branch was named. known: settings
        of the ablations that have this name. Raises ConfigError, InvalidInput, HubUnreachable."""

    def grown(self, there: C, asked: C) -> C:
        """The settings of an ablation with what `asked` has besides. Raises ConfigError that says what differs."""

    def told(self, there: C, whole: C, asked: C) -> list[str]:
        """What `grown` made of them, in parts of a sentence; empty where nothing is new or left out."""

    def rows(self, config: C) -> list[JsonObject]:
        """For people: `name`, `title`, `policy` (None for an arm), `seeds`, and by setting what `differs`: `from` and
        `to`."""

    def design(self, config: C) -> Design | None:
        """What decides how much the ablation can find; None where its models are not judged, or it trains none."""

    def of_machine(self, config: C, what: Literal["devices", "threads", "nodes"]) -> Mapping[str, int]:
        """How many of these jobs want, by the settings that say so; devices of one machine, and how many machines."""

    def room_to_fetch(self, config: C, home: Path) -> str | None:
        """Where the plan begins with fetching: how much that takes of the disks, a sentence. Raises ConfigError where
        they do not hold it. home: the folder of the state."""

    def taken_over(self, settings: JsonObject, allowed: Allowed) -> TakenOver:
        """Somebody else's settings. Raises ValueError or ConfigError, with the end of a sentence, for what they may not
        ask of this machine."""

    def reaching_out(self, settings: JsonObject) -> list[str]:
        """Rows that `taken_over` refuses but where policies are allowed. Raises ValidationError or ConfigError for
        settings that this build does not know."""

    def next_round(self, config: C, decisions: Sequence[ArmDecision]) -> C:
        """The settings of an ablation with adaptive seeds after a look."""

    def results(self, jobs: Sequence[JobRecord]) -> Mapping[tuple[str, int], tuple[int, ...]]:
        """Of each trained model that was judged to the end, by arm and seed: one result for each sequence."""

    def gather(self, records: Records, find: Find) -> ReportData:
        """What a report shows; what is not measured yet is None."""

    def gather_together(self, ablations: Sequence[Records]) -> ReportData:
        """The same of several, over what all of them share. Raises InvalidInput where they cannot be compared."""


#: By name `module:object`, imported on use.
EXPERIMENTS = {"reconvla": "experiments.reconvla.experiment:RECONVLA"}
USUAL = "reconvla"


def experiment_in(file: Path | None) -> Experiment[BaseModel]:
    """The one that a configuration file names by `experiment`; ReconVLA's need not. Raises ConfigError for one that is
    not here; what else is wrong with the file tells who loads it."""
    from settings.documents import parse_yaml
    from settings.regular import MOST_YAML_BYTES, text_of

    values: object = None
    if file is not None:
        try:
            text = text_of(file, ConfigError, MOST_YAML_BYTES)
            values = parse_yaml(text, str(file), is_ours=True, is_text=lambda *_: True)
        except ConfigError:
            values = None
    try:
        return experiment_of(values if isinstance(values, dict) else {})
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def experiment_for(config: BaseModel) -> Experiment[BaseModel]:
    return experiment_of(config.model_dump(mode="json"))


def experiment_of(settings: JsonObject) -> Experiment[BaseModel]:
    """Of an ablation with these settings; ReconVLA's name none. Raises ConfigError for one that is not here."""
    named = settings.get("experiment", USUAL)
    if not isinstance(named, str) or named not in EXPERIMENTS:
        near = did_you_mean(named, EXPERIMENTS) if isinstance(named, str) else ""
        raise ConfigError(f"experiment: {shown(named)} is unknown; known: {', '.join(EXPERIMENTS)}{near}")
    place = EXPERIMENTS[named]
    module, _, name = place.partition(":")
    return cast("Experiment[BaseModel]", getattr(importlib.import_module(module), name))
