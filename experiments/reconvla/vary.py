"""`--vary key=1,2,3`: rows of the table by what differs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite, prod

from errors import ChangesNothing, ConfigError
from experiments.reconvla.arms import Arm, arm_of, built_in, check_new, check_place, flat, with_bases
from experiments.reconvla.config import MOST_ROWS, AblationConfig, ArmEntry, PolicyRow
from experiments.reconvla.sections import LONGEST_NAME, Section
from experiments.reconvla.written import is_list, is_text, with_place
from settings.names import look, tidy
from settings.overlays import is_text_below, value_of
from settings.shown import cut, shown

_LONGEST_VALUE = 30

Row = ArmEntry | PolicyRow | None


@dataclass(frozen=True)
class Axis:
    """Keys that vary together, each with as many values. option: who said so."""

    keys: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]
    option: str


def axes_of(vary: Sequence[str], vary_with: Sequence[str], before: Sequence[int] = ()) -> list[Axis]:
    """`--vary` gives an axis each; `--vary-with` keys vary together with the one before them, or the only one.

    before: how many of `vary` stood before each of `vary_with`; empty: all.
    Raises ConfigError for what is not of the form key=value,value, is no setting, or has another number of values.
    """
    axes = [Axis((key,), tuple((value,) for value in values), f"--vary {key}")
            for key, values in (_parsed("--vary", text) for text in vary)]  # fmt: skip
    for (key, values), stood in zip((_parsed("--vary-with", text) for text in vary_with),
                                    before or [len(vary)] * len(vary_with)):  # fmt: skip
        place = stood - 1 if len(axes) > 1 else len(axes) - 1
        if place < 0:
            none = "none stands before it" if axes else "there is none"
            raise ConfigError(f"--vary-with {key} varies together with a --vary, and {none}")
        last = axes[place]
        if len(values) != len(last.values):
            raise ConfigError(
                f"--vary-with {key} and {last.option} go in pairs, and have {len(values)} and {len(last.values)} values"
            )
        paired = tuple((*others, value) for others, value in zip(last.values, values))
        axes[place] = Axis((*last.keys, key), paired, last.option)
    keys = [key for axis in axes for key in axis.keys]
    for key in keys:
        others = [other for other in keys if f"{other}.".startswith(f"{key}.")]
        if len(others) > 1:
            raise ConfigError(f"--vary: {shown(key)} is given twice")
    return axes


def varied(config: AblationConfig, axes: Sequence[Axis]) -> dict[str, Row]:
    """The rows of `config`, each arm once for every combination of values, in their order.

    An arm in which a key changes nothing is not varied by it; rows of policies stay as they are. Raises ConfigError for
    more than MOST_ROWS rows, or a key that changes nothing in any arm.
    """
    rows: dict[str, Row] = {}
    trained = {name: row and with_bases(row, config.trained) for name, row in config.trained.items()}
    config = config.model_copy(update={"arms": {**trained, **config.policies}})
    if not config.trained:
        raise ConfigError(
            f"{axes[0].option} varies arms that are trained, and no row is: name one with --arms"
        )
    idle: dict[int, dict[str, list[str]]] = {}  # of axes by their place: arms by why
    arms = [(name, _axes_for(config, name, axes, idle)) for name in config.trained]
    count = len(config.policies) + sum(prod(len(axis.values) for axis, _ in mine) for _, mine in arms)
    if count > MOST_ROWS:
        raise ConfigError(f"--vary: that makes {count:,} rows; an ablation has at most {MOST_ROWS:,}")
    for number, axis in enumerate(axes):
        if not any(axis is one for _, mine in arms for one, _ in mine):
            of_arms = [
                f"{cut(', '.join(map(cut, names)), 200)} ({why})" for why, names in idle[number].items()
            ]
            raise ConfigError(f"{axis.option} changes nothing in {', and in '.join(of_arms)}")
    stay = {**config.policies, **{name: config.trained[name] for name, mine in arms if not mine}}
    titles = {(row and row.title) or name for name, row in stay.items()}
    several = sum(bool(mine) for _, mine in arms) > 1
    short = _short([key for axis in axes for key in axis.keys])
    for name, mine in arms:
        entry = config.trained[name]
        for chosen in product(*(zip(axis.values, texts) for axis, texts in mine)):
            keys = [key for axis, _ in mine for key in axis.keys]
            said = dict(zip(keys, (value for values, _ in chosen for value in values)))
            told = dict(zip(keys, (text for _, texts in chosen for text in texts)))
            if not said:
                rows[name] = entry
                continue
            parts = [f"{short[key]}={text}" for key, text in told.items()]
            row = _free("+".join([name, *parts] if several else parts), {*rows, *built_in()})
            made = _with(entry, name, said, told)
            title = _free(str(made.title), titles)
            titles.add(title)
            rows[row] = made.model_copy(update={"title": title})
    rows.update(config.policies)
    return rows


def _axes_for(
    config: AblationConfig, name: str, axes: Sequence[Axis], idle: dict[int, dict[str, list[str]]]
) -> list[tuple[Axis, list[tuple[str, ...]]]]:
    """Those that change something in an arm, with the texts of their values in names; `idle` is told why the others do
    not.

    Raises ConfigError where the arm is wrong as it is; of a wrong value its row tells.
    """
    with suppress(ChangesNothing):  # which it may no more, once it is varied
        _tried(config, name, {})
    found = []
    for number, axis in enumerate(axes):
        changes, texts, why = False, [], ""
        seen: dict[str, Mapping[str, object]] = {}
        for values in axis.values:
            said = dict(zip(axis.keys, values))
            comes_to: Mapping[str, object] = said
            try:
                comes_to = flat(_tried(config, name, said).config)
                changes = True
            except ChangesNothing as nothing:
                why = why or nothing.because
            except ConfigError:
                changes = True
            means = json.dumps([comes_to.get(key, value) for key, value in said.items()], sort_keys=True)
            if means in seen:
                told = " and ".join(shown(next(iter(said.values())), 40) for said in (seen[means], said))
                raise ConfigError(f"{axis.option}: {told} come to the same")
            seen[means] = said
            texts.append(tuple(_text(comes_to.get(key, value)) for key, value in said.items()))
        if changes:
            found.append((axis, texts))
        else:
            idle.setdefault(number, {}).setdefault(why, []).append(name)
    return found


def _tried(config: AblationConfig, name: str, said: Mapping[str, object]) -> Arm:
    """An arm with some settings more."""
    entry = config.trained[name]
    as_row = name if entry is not None else "varied"
    row = _with(entry, name, said, {})
    arm = arm_of(config.model_copy(update={"arms": {**_own(config), as_row: row}}), as_row)
    check_new(replace(arm, own=tuple(tuple(key.split(".")) for key in said)) if said else arm)
    return arm


def _own(config: AblationConfig) -> dict[str, ArmEntry | None]:
    return {name: row for name, row in config.trained.items() if row is not None}


def _with(entry: ArmEntry | None, name: str, said: Mapping[str, object], told: Mapping[str, str]) -> ArmEntry:
    """The arm of a name with some settings more; None is a built-in one. told: their values, for its title."""
    title = (entry or built_in().get(name) or ArmEntry()).title or name
    differs = ", ".join(f"{key.rpartition('.')[2]} {text}" for key, text in told.items())
    named = tidy(cut(f"{title}, {differs}", LONGEST_NAME))
    if entry is None:
        return ArmEntry(base=name, title=named, set=dict(said))
    return entry.model_copy(update={"title": named, "set": {**entry.set, **said}})


def _parsed(option: str, text: str) -> tuple[str, list[object]]:
    key, separator, values = text.partition("=")
    if not separator or not key or not values.strip():
        raise ConfigError(f"{option} {shown(text)} is not of the form key.path=value,value")
    check_place(tuple(key.split(".")), f"{option} {cut(key)}")
    found = value_of(values, f"{option} {cut(key)}", "[{}\n]", is_text_below(key, is_text))
    if not isinstance(found, list):
        raise ConfigError(f"{option} {shown(text)} is not of the form key.path=value,value")
    if {} in found and isinstance(_usually(key), Section):
        raise ConfigError(
            f"{option} {cut(key)}: {{}} names nothing that varies; say what, as in {key}.key=value,value"
        )
    if is_list(key) and not all(isinstance(value, list) or value is None for value in found):
        each = (",".join(map(str, value if isinstance(value, list) else [value])) for value in found)
        meant = shown(f"{key}={','.join(f'[{one}]' for one in each)}", 200)
        raise ConfigError(f"{option} {key}: each value is a list, so write {option} {meant}")
    return key, [with_place(key, value) for value in found]


def _usually(key: str) -> object:
    """What stands at a dotted key where nobody says anything."""
    found: object = AblationConfig()
    for part in key.split("."):
        found = getattr(found, part, None)
    return found


def _short(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or the whole where two end alike."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: name if last.count(name) == 1 else key for key, name in zip(keys, last)}


def _text(value: object) -> str:
    """A value in a name: of a path its end, and of a whole number no point."""
    if isinstance(value, str):
        plain = value.rstrip("/").rpartition("/")[2]
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        plain = str(int(value))
    elif isinstance(value, float) and not isfinite(value):
        plain = str(value)
    else:
        plain = json.dumps(value, separators=(",", ":")).replace('"', "").replace("/", "_")
    return cut(plain, _LONGEST_VALUE)


def _free(name: str, others: Collection[str]) -> str:
    name, number = tidy(name[:LONGEST_NAME]), 2
    found, taken = name, set(map(look, others))
    while look(found) in taken:
        found = f"{name[: LONGEST_NAME - 5]}#{number}"
        number += 1
    return found
