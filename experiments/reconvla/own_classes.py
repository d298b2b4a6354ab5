"""Classes of the user's own in a configuration: found beside it, digested, and named with their digest from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from errors import ConfigError
from experiments.reconvla.config import AblationConfig, ArmEntry, PolicyRow
from settings.code_source import Reference, find_source, reference_of
from settings.json_values import JsonObject
from settings.own_code import admit

#: Settings that may name one, by their place; and entries of a row's policy.
PLACES = (("gaze", "detector"), ("evaluation", "simulator"))
OF_POLICIES = ("class", "detector")

Place = tuple[str, ...]
T = TypeVar("T")


def with_digests(config: AblationConfig, folder: Path) -> AblationConfig:
    """`config` with the digest of each class in its name; their source is admitted to this process, as whoever wrote
    the configuration wants it run. folder: where they lie.

    Raises ConfigError naming the entry for one that is not there, or whose source is not taken.
    """
    gaze, evaluation = config.gaze, config.evaluation
    arms = config.arms
    return config.model_copy(
        update={
            "gaze": gaze.model_copy(update={"detector": named(gaze.detector, folder, "gaze.detector")}),
            "evaluation": evaluation.model_copy(
                update={"simulator": named(evaluation.simulator, folder, "evaluation.simulator")}
            ),
            "arms": {name: _with_digest(row, folder, f"arms.{name}") for name, row in arms.items()}
            if isinstance(arms, dict)
            else arms,
        }
    )


def _with_digest(row: ArmEntry | PolicyRow | None, folder: Path, where: str) -> ArmEntry | PolicyRow | None:
    if isinstance(row, ArmEntry):
        return row.model_copy(update={"set": _settings(row.set, (), folder, f"{where}.set")})
    if isinstance(row, PolicyRow):
        return row.model_copy(update={"policy": policy_named(row.policy, folder, f"{where}.policy")})
    return row


def policy_named(policy: JsonObject, folder: Path, where: str) -> dict[str, object]:
    """What describes a policy, with digests as `with_digests`."""
    return {
        name: named(value, folder, f"{where}.{name}") if name in OF_POLICIES else value
        for name, value in policy.items()
    }


def _settings(values: JsonObject, above: Place, folder: Path, where: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        place = (*above, *str(key).split("."))
        if isinstance(value, Mapping):
            found[key] = _settings(value, place, folder, where)
        else:
            found[key] = named(value, folder, f"{where}.{'.'.join(place)}") if place in PLACES else value
    return found


def named(value: T, folder: Path, where: str) -> T | str:
    """A name of a class with its digest, whose source is admitted to this process; any other value as it is."""
    reference = reference_of(value)
    if reference is None:
        return value
    try:
        digest = admit(find_source(folder, reference, where))
    except RecursionError:
        raise ConfigError(f"{where}: {reference.label} is nested too deeply to be read") from None
    return str(Reference(reference.module, reference.name, digest))


def named_in(values: JsonObject) -> Iterator[tuple[str, str]]:
    """(entry, name) of whatever names a class of somebody's own in an ablation's settings."""
    for section, name in PLACES:
        inner = values.get(section)
        if isinstance(inner, Mapping):
            yield from _own(f"{section}.{name}", inner.get(name))
    arms = values.get("arms")
    for row, entry in arms.items() if isinstance(arms, Mapping) else ():
        if not isinstance(entry, Mapping):
            continue
        policy, said = entry.get("policy"), entry.get("set")
        if isinstance(policy, Mapping):
            for name in OF_POLICIES:
                yield from _own(f"arms.{row}.policy.{name}", policy.get(name))
        if isinstance(said, Mapping):
            yield from _in_settings(said, (), f"arms.{row}.set")


def _in_settings(values: JsonObject, above: Place, where: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        place = (*above, *str(key).split("."))
        if isinstance(value, Mapping):
            yield from _in_settings(value, place, where)
        elif place in PLACES:
            yield from _own(f"{where}.{'.'.join(place)}", value)


def _own(entry: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and reference_of(value) is not None:
        yield entry, value
