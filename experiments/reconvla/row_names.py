"""Names in a configuration: kept in one form as they come in, and none beside another that looks like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from errors import ConfigError
from experiments.reconvla.arms import built_in
from experiments.reconvla.config import AblationConfig, ArmEntry
from settings.names import found, tidy, twins
from settings.shown import cut, shown


def tidied(values: Mapping[str, object], place: str) -> dict[str, object]:
    """A part of a configuration with its names as they are kept (`settings.names`). place: who wrote it.

    Raises ConfigError for two rows of one name.
    """
    arms, comparison = values.get("arms"), values.get("comparison")
    changed = {"name": _tidy(values.get("name"))}
    if isinstance(arms, Mapping):
        rows = {_tidy(name): _row(_tidy(name), row) for name, row in arms.items()}
        if len(rows) < len(arms):
            first, second = twins(map(str, arms)) or ("", "")
            raise ConfigError(f"{place}: arms: {shown(first)} and {shown(second)} are one name")
        changed["arms"] = rows
    elif isinstance(arms, Iterable) and not isinstance(arms, str):
        changed["arms"] = list(map(_tidy, arms))
    if isinstance(comparison, Mapping):
        changed["comparison"] = _with_tidy(comparison, "baseline")
    return {key: changed.get(key, value) for key, value in values.items()}


def check_told_apart(config: AblationConfig) -> None:
    """Raises ConfigError for a row that looks like another, or like a built-in arm."""
    alike = twins([*built_in(), *config.arms])
    if alike is not None:
        first, second = alike
        raise ConfigError(
            f"arms.{cut(second)}: it looks like {cut(first)}, but its letters are others ({second!a} and "
            f"{first!a}); call one otherwise"
        )


def named_as(there: AblationConfig, asked: AblationConfig) -> AblationConfig:
    """`asked` with the names that look like those of the rows that are there called as these: what earlier builds kept
    as it was written."""
    names = {name: found(name, there.arms) for name in asked.arms}
    if all(name == now for name, now in names.items()):
        return asked
    if not isinstance(asked.arms, Mapping):
        return asked.model_copy(update={"arms": tuple(names.values())})
    rows = {
        names[name]: row.model_copy(update={"base": names.get(row.base, row.base)})
        if isinstance(row, ArmEntry) and row.base is not None
        else row
        for name, row in asked.arms.items()
    }
    baseline = asked.comparison.baseline
    comparison = asked.comparison.model_copy(update={"baseline": names.get(str(baseline), baseline)})
    return asked.model_copy(update={"arms": rows, "comparison": comparison})


def _row(name: object, row: object) -> object:
    """A built-in arm of which nothing is said, `baseline: {}`, is what `baseline: null` is."""
    if row == {} and name in built_in():
        return None
    return _with_tidy(row, "base", "title") if isinstance(row, Mapping) else row


def _with_tidy(values: Mapping[str, object], *keys: str) -> dict[str, object]:
    return {key: _tidy(value) if key in keys else value for key, value in values.items()}


def _tidy(value: object) -> object:
    return tidy(value) if isinstance(value, str) else value
