"""Which column of a LeRobot set is which array of CALVIN, and why: by what a user says, name, shape and modality.json.

Cameras are told apart by their shapes, which no two of CALVIN's share. What is an action is decided by its values
(`calvin.lerobot_format.actions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS
from calvin.lerobot_format.description import Description, Feature
from errors import DatasetError, WronglySaid
from settings.shown import cut, shown

ACTION_FIELDS = ("rel_actions", "actions")

#: What names of columns hold, the likeliest first.
_WORDS = {
    "rgb_static": ("rgb_static", "static", "top", "image_base", "base", "third", "front", "main"),
    "rgb_gripper": ("rgb_gripper", "gripper", "wrist", "hand"),
    "robot_obs": ("robot_obs", "observation.state", "state", "proprio"),
    "scene_obs": ("scene_obs", "environment_state", "env_state", "scene"),
}
_ACTION = re.compile(r"(?:^|[._])(?:rel_)?actions?(?:[._]|$)")
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Chosen:
    """column: None where the set has no such array. reason: a part of a sentence."""

    field: str
    column: str | None
    reason: str

    @property
    def told(self) -> str:
        if self.column is None:
            return f"{self.field} is absent: {self.reason}"
        return f"{self.field} is {self.column}: {self.reason}"


@dataclass(frozen=True)
class Columns:
    """chosen: all but the actions, in CALVIN's order. actions: the columns that may be actions, the likeliest first."""

    chosen: tuple[Chosen, ...]
    actions: tuple[str, ...]

    def name(self, field: str) -> str | None:
        return next((one.column for one in self.chosen if one.field == field), None)

    def need(self, field: str) -> str:
        name = self.name(field)
        assert name is not None, field
        return name


def choose_columns(about: Description, modality: Mapping[str, Any], said: Mapping[str, str]) -> Columns:
    """said: columns by array, as a user says. Raises DatasetError for a column that is not there or does not fit, and
    where what a set must have is not found, or could be one of several columns.
    """
    check_said(about, said)
    known = _modality_names(modality)
    chosen = [_chosen(about, field, known, said) for field in (*IMAGE_FIELDS, "robot_obs", "scene_obs")]
    taken = {one.column for one in chosen}
    if said.keys() & set(ACTION_FIELDS):
        actions = [said[field] for field in ACTION_FIELDS if field in said]
    else:
        fitting = [
            one for one in about.features.values() if one.name not in taken and _fits(one, "rel_actions")
        ]
        named = [one for one in fitting if _is_called_action(one, known)]
        actions = [one.name for one in named or ([] if _has_other_action(about) else fitting)]
        actions.sort(key=lambda name: _rank_of_action(name, known))
    if not actions:
        raise DatasetError(_no_actions(about))
    return Columns(tuple(chosen), tuple(actions))


def check_said(about: Description, said: Mapping[str, str]) -> None:
    """Raises WronglySaid where a column that is said is not there or does not fit."""
    for field, name in said.items():
        _check_said(about, field, name)


def _check_said(about: Description, field: str, name: str) -> None:
    if field not in FRAME_SHAPES:
        raise WronglySaid(f"data.columns.{cut(field)}: CALVIN's arrays are {', '.join(FRAME_SHAPES)}.")
    if name not in about.features:
        raise WronglySaid(
            f"data.columns.{field}: {about.file} has no column {shown(name)}; it has {_listed(about)}."
        )
    if not _fits(about.features[name], field):
        raise WronglySaid(
            f"data.columns.{field}: {name} is {_about(about.features[name])}; {field} is {_wanted(field)}."
        )


def _chosen(about: Description, field: str, known: Mapping[str, str], said: Mapping[str, str]) -> Chosen:
    if field in said:
        return Chosen(field, said[field], "data.columns says so")
    fitting = [
        feature.name
        for feature in about.features.values()
        if _fits(feature, field) and not _ACTION.search(feature.name) and feature.name not in said.values()
    ]
    if not fitting:
        if field == "scene_obs":
            return Chosen(field, None, f"no column has {_wanted(field)}")
        raise DatasetError(_not_found(about, field))
    shape = _about(about.features[fitting[0]])
    if len(fitting) == 1:
        return Chosen(field, fitting[0], f"it alone is {shape}")
    by_modality = [name for name in fitting if known.get(name) == field]
    if len(by_modality) == 1:
        return Chosen(field, by_modality[0], f"it is {shape}, and modality.json names it")
    for word in _WORDS[field]:
        named = [name for name in fitting if name == word or name.endswith(word)] or [
            name for name in fitting if word in name
        ]
        if len(named) == 1:
            return Chosen(field, named[0], f"it is {shape}, and its name says so")
    raise DatasetError(
        f"{about.file}: {' and '.join(map(cut, fitting))} could each be {field}; say which with data.columns.{field}."
    )


def _fits(feature: Feature, field: str) -> bool:
    wanted = FRAME_SHAPES[field]
    if field in IMAGE_FIELDS:
        turned = (wanted[2], wanted[0], wanted[1])
        return feature.is_picture and feature.shape in (wanted, turned)
    return feature.kind in _FLOATS and feature.shape == wanted


def _is_called_action(feature: Feature, known: Mapping[str, str]) -> bool:
    return _ACTION.search(feature.name) is not None or known.get(feature.name) == "action"


def _has_other_action(about: Description) -> bool:
    """Whether a column of another shape is called one: then what is seven numbers wide is something else."""
    return any(_ACTION.search(name) for name in about.features)


def _rank_of_action(name: str, known: Mapping[str, str]) -> tuple[int, str]:
    exact = {"rel_actions": 0, "action.relative": 1, "action": 2, "actions": 3, "action.absolute": 4}
    return (exact.get(name, 5 if known.get(name) == "action" else 6), name)


def _modality_names(modality: Mapping[str, Any]) -> dict[str, str]:
    """Array by column, as modality.json says; GR00T's defaults where it names no column."""
    found: dict[str, str] = {}
    for section, field in (("state", "robot_obs"), ("action", "action")):
        parts = modality.get(section)
        default = {"state": "observation.state", "action": "action"}[section]
        for part in parts.values() if isinstance(parts, Mapping) else ():
            key = part.get("original_key", default) if isinstance(part, Mapping) else default
            if isinstance(key, str):
                found[key] = field
    for name, column in _views(modality):
        camera = next((one for one in IMAGE_FIELDS if any(word in name for word in _WORDS[one])), None)
        if camera is not None:
            found[column] = camera
    return found


def _views(modality: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    views = modality.get("video")
    for name, part in views.items() if isinstance(views, Mapping) else ():
        column = part.get("original_key") if isinstance(part, Mapping) else None
        if isinstance(column, str):
            yield str(name), column


def _not_found(about: Description, field: str) -> str:
    """That nothing is this array, and what comes nearest."""
    near: Sequence[Feature] = [
        feature
        for feature in about.features.values()
        if (feature.is_picture if field in IMAGE_FIELDS else feature.kind in _FLOATS)
        and any(word in feature.name for word in _WORDS[field])
    ]
    told = f"; {cut(near[0].name)} is {_about(near[0])}" if near else ""
    robot = f" (robot_type {cut(str(about.robot))})" if field == "robot_obs" else ""
    return f"{about.file}: no column of features is {_wanted(field)} for {field}{told}{robot}."


def _no_actions(about: Description) -> str:
    near = [f for f in about.features.values() if _ACTION.search(f.name)]
    if not near:
        return f"{about.file}: no column of features is an action; it has {_listed(about)}."
    sizes = near[0].shape
    quaternion = " (position, quaternion and gripper?)" if sizes == (8,) else ""
    return (
        f"{about.file}: {cut(near[0].name)} is {_about(near[0])}{quaternion}; an action of CALVIN is "
        f"{_wanted('rel_actions')}: position, Euler angles and gripper."
    )


def _about(feature: Feature) -> str:
    if feature.is_picture:
        return f"pictures of {' x '.join(map(str, feature.shape))}"
    return f"{cut(feature.kind)} of {' x '.join(map(str, feature.shape))}"


def _wanted(field: str) -> str:
    shape = FRAME_SHAPES[field]
    if field in IMAGE_FIELDS:
        return f"pictures of {' x '.join(map(str, shape))}"
    return f"{shape[0]} numbers"


def _listed(about: Description) -> str:
    return cut(", ".join(about.features), 200)
