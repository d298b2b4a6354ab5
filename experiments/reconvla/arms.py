"""Arms: settings that differ from those of the ablation, by name; the paper's are in arms.yaml."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from errors import ConfigError
from experiments.reconvla.config import AblationConfig, ArmEntry
from experiments.reconvla.idle_settings import Place, check_meaning, check_override, check_read, within
from experiments.reconvla.sections import Method, Section
from settings.documents import parse_yaml
from settings.overlays import merge, nested
from settings.shown import cut, shown
from settings.suggestions import did_you_mean
from settings.typed_json import first_mistake

_FILE = Path(__file__).with_name("arms.yaml")

#: Sections and keys that say how a row is judged. All rows are judged alike, but for what an arm says of these.
_JUDGING = (
    ("evaluation",),
    ("attention",),
    ("data", "evaluation_scene"),
    ("data", "validation_demonstrations_per_task"),
)
#: Of the whole ablation, not of a row.
_COMMON = (
    "name", "arms", "seeds", "scheduling", "data.chunk", "evaluation.random_baseline", "evaluation.sequences_per_shard",
    "comparison",
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A row of the table that is trained.

    config: the settings that it is trained with. judged: those it is judged with. differs: what they say otherwise
    than the ablation, by dotted key. own_sequences: how many it says itself; None: as many as the ablation. said: the
    settings that it and its bases name; own: those that it names itself.
    """

    name: str
    title: str
    config: AblationConfig
    judged: AblationConfig
    differs: Mapping[str, object]
    own_sequences: int | None = None
    said: tuple[Place, ...] = ()
    own: tuple[Place, ...] = ()

    @property
    def method(self) -> Method:
        return self.config.method


@cache
def built_in() -> dict[str, ArmEntry]:
    """The paper's arms by name."""
    text = _FILE.read_text(encoding="utf-8")
    return TypeAdapter(dict[str, ArmEntry]).validate_python(parse_yaml(text, str(_FILE), is_ours=True))


def built_in_method(name: str) -> Method:
    """What a built-in arm is. Raises ConfigError for another name."""
    return arms_of(AblationConfig(arms=(name,)))[0].method


def arms_of(config: AblationConfig) -> list[Arm]:
    """The arms of an ablation, in its order.

    Raises ConfigError that names the arm and the key: an unknown base or key, bases that go in a circle, a value that
    does not fit, a setting that is of the whole ablation, or one that changes nothing in the arm.
    """
    entries = _entries(config)
    return [_arm(config, name, entries) for name in config.trained]


def arm_of(config: AblationConfig, name: str) -> Arm:
    """One of them. Raises ConfigError as `arms_of`."""
    return _arm(config, name, _entries(config))


def check_new(arm: Arm) -> None:
    """Raises ChangesNothing for what would be a row of its own and nothing else; see `idle_settings.check_read`."""
    check_read(arm.name, arm.config, arm.judged, arm.said, arm.own)
    check_override(arm.config)


def without_each(config: AblationConfig, name: str) -> Iterator[tuple[Place, Arm]]:
    """An arm without one of the settings that somebody gave it or its bases, for each that makes its settings others.

    One that cannot be left out alone is passed over.
    """
    entries = _entries(config)
    whole = flat(_arm(config, name, entries).config)
    chain, entry = [name], entries[name]
    while entry.base is not None and entry.base not in built_in():
        chain.append(entry.base)
        entry = entries[entry.base]
    for link in chain if name not in built_in() else []:
        settings = settings_of(entries[link], link)
        for left_out, _ in settings:
            rest = {".".join(place): value for place, value in settings if place != left_out}
            try:
                less = _arm(config, name, {**entries, link: entries[link].model_copy(update={"set": rest})})
            except ConfigError:
                continue
            if flat(less.config) != whole:
                yield left_out, less


def of_stages(config: AblationConfig, field: Literal["devices", "threads", "nodes"]) -> dict[str, int]:
    """A setting of several stages by its place: of the ablation, and of each arm that has its own. Devices are those of
    one machine."""
    stages = ("training", "pretraining", "evaluation") if field == "threads" else ("training", "pretraining")
    found = _of_machine(config, stages, field)
    whole = dict(found)
    for arm in arms_of(config):
        own = _of_machine(arm.config, stages, field)
        found |= {
            f"{place} of the arm {arm.name}": value
            for place, value in own.items()
            if value != whole.get(place)
        }
    return found


def _of_machine(config: AblationConfig, stages: Sequence[str], field: str) -> dict[str, int]:
    found = {}
    for stage in stages:
        settings = getattr(config, stage)
        value: int = getattr(settings, field)
        if field == "devices" and settings.nodes > 1:
            found[f"{stage}.devices for each of {settings.nodes} machines"] = value // settings.nodes
        else:
            found[f"{stage}.{field}"] = value
    return found


def check_names(config: AblationConfig) -> None:
    """Raises ConfigError for rows by the name of a built-in arm, for arms, bases and a baseline that are unknown, and
    for rows that people could not tell apart."""
    for name, row in config.arms.items() if isinstance(config.arms, dict) else ():
        if row is not None and name in built_in():
            raise ConfigError(
                f"arms.{name}: a built-in arm has this name; as it is built in, it is `{name}: null`; name yours "
                f"otherwise, with `base: {name}` if it is one with differences"
            )
    entries = _entries(config)
    for name in config.trained:
        _chain(name, entries, config.policies)
    baseline = config.comparison.baseline
    if baseline is not None and baseline not in config.trained:
        raise ConfigError(
            f"comparison.baseline: {shown(baseline)} is none of the arms that are trained: "
            f"{cut(', '.join(config.trained), 400)}{did_you_mean(baseline, list(config.trained))}"
        )
    titles: dict[str, str] = {}
    for name, row in config.arms.items() if isinstance(config.arms, dict) else ():
        title = row.title if row is not None and row.title is not None else name
        if (other := titles.setdefault(title, name)) != name:
            raise ConfigError(f"arms.{name}.title: {cut(other)} is called {shown(title)} too")


def with_bases(entry: ArmEntry, rows: Mapping[str, ArmEntry | None]) -> ArmEntry:
    """`entry` by itself: what the rows that it begins with set is its own, and its base is a built-in arm or none."""
    said: dict[str, object] = {}
    entries = {**built_in(), **{name: row for name, row in rows.items() if row is not None}}
    chain = [entry]
    while (base := chain[-1].base) is not None and rows.get(base) is not None:
        if entries[base] in chain:
            break  # a circle, of which `check_names` tells
        chain.append(entries[base])
    for one in reversed(chain):
        for key, value in one.set.items():
            for place, leaf in _leaves(tuple(str(key).split(".")), value):
                said.pop(".".join(place), None)  # what is said last is laid over what was said before
                said[".".join(place)] = leaf
    return entry.model_copy(update={"base": chain[-1].base, "set": said})


def _entries(config: AblationConfig) -> dict[str, ArmEntry]:
    return {**built_in(), **{name: row for name, row in config.trained.items() if row is not None}}


def _chain(name: str, entries: Mapping[str, ArmEntry], policies: Collection[str] = ()) -> list[ArmEntry]:
    """The entry of an arm after those of its bases. policies: names of rows that are not trained."""
    if name not in entries:
        known = ", ".join(map(cut, entries))
        raise ConfigError(
            f"arms: unknown arm {shown(name)}; known arms: {cut(known, 400)}{did_you_mean(name, entries)}"
        )
    names, entry = [name], entries[name]
    while entry.base is not None:
        base = entry.base
        if base in policies:
            raise ConfigError(
                f"arms.{names[-1]}.base: {cut(base)} is a policy, which has no settings to begin with"
            )
        if base not in entries:
            raise ConfigError(
                f"arms.{names[-1]}.base: unknown arm {shown(base)}{did_you_mean(base, entries)}"
            )
        if base in names:
            circle = " -> ".join(map(cut, [*names[names.index(base) :], base]))
            raise ConfigError(f"arms.{base}.base: bases go in a circle: {circle}")
        names.append(base)
        entry = entries[base]
    return [entries[one] for one in reversed(names)]


def _arm(config: AblationConfig, name: str, entries: Mapping[str, ArmEntry]) -> Arm:
    chain = _chain(name, entries)
    said = [setting for entry in chain for setting in settings_of(entry, name)]
    full = _with(config, said, name)
    judging = (
        _JUDGING if full.method.grounding != "crop" else (*_JUDGING, ("gaze",))
    )  # it is shown the regions
    judged = full
    if chain[-1].judged == "base":
        judged = _with(config, [s for s in said if any(within(s[0], place) for place in judging)], name)
    counted = any(place == ("evaluation", "sequences") for place, _ in said)
    own_sequences = full.evaluation.sequences if counted else None
    places = tuple(place for place, _ in said)
    own = tuple(place for place, _ in settings_of(chain[-1], name))
    check_meaning(name, full, places)
    title, differs = chain[-1].title or name, _differences(config, full)
    return Arm(name, title, full, judged, differs, own_sequences, places, own)


def settings_of(entry: ArmEntry, name: str) -> list[tuple[Place, object]]:
    """What the entry of the arm `name` sets, by place, in its order.

    Raises ConfigError for what is of the whole ablation.
    """

    found: list[tuple[Place, object]] = []
    for key, value in entry.set.items():
        for place, leaf in _leaves(tuple(str(key).split(".")), value):
            check_place(place, f"arms.{name}.set")
            if any(within(other, place) for other, _ in found):
                raise ConfigError(f"arms.{name}.set: {cut('.'.join(place))} is given twice")
            found.append((place, leaf))
    return found


def check_place(place: Place, where: str) -> None:
    """Raises ConfigError, beginning with `where`, for what is no setting, or one of the whole ablation."""
    dotted = ".".join(place)
    is_named = where.endswith(f" {dotted}")  # by an option of its own
    if any(dotted == common or dotted.startswith(f"{common}.") for common in _COMMON):
        raise ConfigError(
            f"{where}: {'it' if is_named else cut(dotted)} is of the whole ablation, not of one arm"
        )
    section: type[BaseModel] = AblationConfig
    for depth, part in enumerate(place):
        if part not in section.model_fields:
            known = [".".join([*place[:depth], field]) for field in section.model_fields]
            ends = [key for key in flat(AblationConfig()) if key.endswith(f".{dotted}")]
            near = f"; did you mean {' or '.join(ends)}?" if ends else did_you_mean(dotted, known)
            raise ConfigError(f"{where}: unknown key{'' if is_named else f' {shown(dotted)}'}{near}")
        annotation = section.model_fields[part].annotation
        inner = _section_in(annotation)
        if inner is None:
            if depth + 1 < len(place) and get_origin(annotation) is not dict:
                above = ".".join(place[: depth + 1])
                raise ConfigError(
                    f"{where}: unknown key {shown(dotted)}; {above} is a value, with no keys below it"
                )
            return
        section = inner


def _leaves(place: Place, value: object) -> Iterator[tuple[Place, object]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*place, str(key)), inner)
    else:
        yield place, value


def _with(config: AblationConfig, said: Sequence[tuple[Place, object]], name: str) -> AblationConfig:
    """The ablation's settings with those of an arm over them; without rows, which nobody reads there."""
    values = {
        **config.model_dump(mode="json", exclude={"arms"}),
        "method": config.method.model_dump(),
        "arms": ["baseline"],
    }
    for place, value in said:
        merge(values, nested(".".join(place), value))
    try:
        return AblationConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"arms.{name}.set: {first_mistake(error)}") from None


def _section_in(annotation: object) -> type[BaseModel] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _differences(config: AblationConfig, arm: AblationConfig) -> dict[str, object]:
    before, after = flat(config), flat(arm)
    return {key: value for key, value in after.items() if before.get(key, ...) != value}


def flat(config: AblationConfig) -> dict[str, object]:
    """All settings of an ablation but its rows, by dotted key; also those that are stored only where they say more than
    their default."""
    values = config.model_dump(mode="json", exclude={"arms"})
    for key in AblationConfig.model_fields:
        if key != "arms" and isinstance(section := getattr(config, key), Section):
            values[key] = section.model_dump(mode="json")
    return {".".join(place): leaf for key, value in values.items() for place, leaf in _leaves((key,), value)}
