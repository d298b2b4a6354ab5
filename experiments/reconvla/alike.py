"""Rows that come to the same, in whatever words, and settings without which a row's jobs would be the same."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast

from detectors.registry import FINDERS
from errors import ConfigError, EnvironmentLacks, InvalidInput
from experiments.reconvla.arms import Arm, flat, without_each
from experiments.reconvla.config import AblationConfig, PolicyRow
from experiments.reconvla.idle_settings import Place, nothing_by, says_how, within
from experiments.reconvla.sections import Attention, Gaze
from models.sizes import config_of_size
from policies.registry import OwnClass, PolicyServer, policy_json
from settings.code_source import reference_of
from settings.json_values import JsonObject
from settings.own_code import class_of
from settings.shown import cut

#: Values of these may say in other words what would be so without them (a path, `auto`, the last layer by its number).
_IN_OTHER_WORDS: tuple[Place, ...] = (
    ("attention",),
    *(("data", entry) for entry in ("root", "validation_root", "pretraining_root", "columns", "episodes",
                                    "validation_episodes", "scenes")),
    *(("gaze", entry) for entry in ("weights", "precision", "stages")),
    ("model", "size"),
    ("model", "backbones"),
    *(("evaluation", entry) for entry in ("protocol", "assets", "calvin_python", "renderer", "instructions",
                                          "sequences_file", "precision")),
)  # fmt: skip


def in_plain_words(arm: Arm, model: JsonObject) -> Arm:
    """`arm`, with one word for what can be said in several; itself where it has no other. model: that of its jobs."""
    language = cast(JsonObject, model["language"])
    layers, heads = cast(int, language["layers"]), cast(int, language["heads"])
    config = arm.config.model_copy(update={"gaze": _plain_gaze(arm.config.gaze)})
    judged = arm.judged.model_copy(
        update={
            "gaze": _plain_gaze(arm.judged.gaze),
            "attention": _plain_attention(arm.judged.attention, layers, heads),
        }
    )
    if (config.gaze, judged.gaze, judged.attention) == (
        arm.config.gaze, arm.judged.gaze, arm.judged.attention,
    ):  # fmt: skip
        return arm
    return replace(arm, config=config, judged=judged)


def _plain_gaze(gaze: Gaze) -> Gaze:
    if gaze.stages is None or gaze.detector not in FINDERS:
        return gaze
    from detectors.pipeline import STAGES, check_stages  # on use, as few settings name stages

    stages = check_stages(gaze.stages)
    return gaze.model_copy(update={"stages": None if stages == STAGES else stages})


def _plain_attention(attention: Attention, layers: int, heads: int) -> Attention:
    """A mean over heads is the same in any order, and of one head however often it is named."""
    counted = Counter(attention.heads)
    chosen = tuple(sorted(counted)) if len(set(counted.values())) == 1 else tuple(sorted(attention.heads))
    every = chosen == tuple(range(heads))
    return attention.model_copy(update={"heads": () if every else chosen, "layer": attention.layer % layers})


def plain_policy(row: PolicyRow, place: str) -> PolicyRow:
    """`row`, without options of a class of the user's own that say its defaults, and with 1 for 1.0 in the others; a
    server by the address that is asked. Raises ConfigError as `PolicyRow.spec`."""
    spec = row.spec(place)
    if isinstance(spec, PolicyServer):
        from policies.remote import address_of  # on use, as few rows ask a server

        return row.model_copy(update={"policy": {**policy_json(spec), "url": address_of(spec.url)[0]}})
    reference = reference_of(spec.class_) if isinstance(spec, OwnClass) else None
    if not isinstance(spec, OwnClass) or reference is None:
        return row
    try:
        taken = dict(inspect.signature(class_of(reference)).parameters)
    except (TypeError, ValueError):  # its signature cannot be told
        taken = {}
    options = {
        name: _plain_value(value)
        for name, value in spec.options.items()
        if name not in taken or not _is_same(taken[name].default, value)
    }
    return row.model_copy(update={"policy": {**policy_json(spec), "options": options}})


def _is_same(default: object, value: object) -> bool:
    try:
        return json.dumps(_plain_value(default)) == json.dumps(_plain_value(value))
    except (TypeError, ValueError):  # a default that no configuration can say
        return False


def _plain_value(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain_value(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_plain_value(inner) for inner in value]
    return value


def check_distinct(meant: Mapping[str, Sequence[str]], there: Collection[str]) -> None:
    """Raises ConfigError for two rows that come to the same.

    meant: by row the keys of its jobs, in plain words. there: rows that a home has already, which stay.
    """
    rows: dict[tuple[str, ...], str] = {}
    for name, keys in meant.items():
        other = rows.setdefault(tuple(keys), name)
        if other != name and not (name in there and other in there):
            raise ConfigError(
                f"arms.{cut(name)}: it comes to the same as {cut(other)}; leave one of them out"
            )


def check_needed(
    config: AblationConfig,
    arms: Iterable[Arm],
    own: Mapping[str, Sequence[str]],
    keys: Callable[[Arm], Sequence[str]],
) -> None:
    """Raises ChangesNothing for a setting of one of the arms without which its jobs would be the same.

    own: by arm the keys of the jobs of its first seed, in plain words; keys: those that an arm would have.
    """
    known: dict[str, Sequence[str]] = {}

    def keys_of(arm: Arm) -> Sequence[str]:
        which = json.dumps([flat(arm.config), flat(arm.judged)], sort_keys=True)
        if which not in known:
            known[which] = keys(arm)
        return known[which]

    for arm in arms:
        for place, less in without_each(config, arm.name):
            if says_how(place) or any(within(place, other) for other in _IN_OTHER_WORDS):
                continue
            if within(place, ("model", "override")) and _is_of_size(arm, place):
                continue
            same = False
            with suppress(InvalidInput, EnvironmentLacks):  # it cannot be left out
                same = list(keys_of(less)) == list(own[arm.name])
            if same:
                raise nothing_by(arm.name, place, "this arm: its jobs are the same without it")


def _is_of_size(arm: Arm, place: Place) -> bool:
    """Whether a value of `model.override` is that of the size anyway."""
    model = arm.config.model
    theirs: object = config_of_size(model.size).all_values()
    ours: object = model.override
    for part in place[2:]:
        theirs = theirs.get(part) if isinstance(theirs, Mapping) else None
        ours = ours.get(part) if isinstance(ours, Mapping) else None
    return _is_same(theirs, ours)
