"""An ablation that grows: the same name with more seeds, sequences or rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from errors import ConfigError
from experiments.reconvla.arms import arms_of, flat
from experiments.reconvla.config import AblationConfig, ArmEntry, PolicyRow
from experiments.reconvla.evaluation_plan import KeptLists, ListOfSequences, list_of, sequences_of
from experiments.reconvla.row_names import named_as
from experiments.reconvla.seeds import AdaptiveSeeds
from policies.registry import policy_json
from settings.code_source import reference_of
from settings.differing import differing
from settings.json_values import JsonObject
from settings.names import tidy
from settings.shown import cut, shown
from tasks.registry import EVALUATE
from tasks.specs import ClosedLoopSpec

#: What may grow; all else is the same in the ablation that is there, or it is another ablation.
_GROWING = frozenset({"name", "seeds", "evaluation.sequences"})
#: What the plan writes; it stays that of the ablation that is there.
_PLANNED = "seeds.adaptive.planned"
#: Of settings that differ, in a sentence.
_MOST_SHOWN = 3


def grown(there: AblationConfig, asked: AblationConfig) -> AblationConfig:
    """The settings of `there` with what `asked` has besides. Nothing that is there goes: its seeds, rows and sequences
    stay, whether asked for again or not.

    Raises ConfigError that says which settings differ.
    """
    asked = named_as(there, asked)
    seeds = _seeds(there, asked)
    found = {key: pair for key, pair in differing(flat(there), flat(asked)).items() if not _grows(key)}
    if found:
        raise ConfigError(_differ(found))
    rows = _rows(there)
    for name, row in _rows(asked).items():
        if name in rows and (differs := _row_differs(name, there, asked)):
            raise ConfigError(f"arms.{cut(name)}: {differs}")
        rows.setdefault(name, row)
    if there.adaptive is not None:
        _check_rounds(there, asked, rows)
    return there.model_copy(
        update={
            "arms": _named(rows) if _named_only(there) and _named_only(asked) else rows,
            "seeds": seeds,
            "evaluation": there.evaluation.model_copy(
                update={"sequences": max(there.evaluation.sequences, asked.evaluation.sequences)}
            ),
        }
    )


def _grows(key: str) -> bool:
    return key in _GROWING or key.startswith(_PLANNED)


def _seeds(there: AblationConfig, asked: AblationConfig) -> tuple[int, ...] | AdaptiveSeeds:
    """Raises ConfigError where they are named in the one and adaptive in the other."""
    if isinstance(there.seeds, AdaptiveSeeds) != isinstance(asked.seeds, AdaptiveSeeds):
        raise ConfigError(
            "seeds: they are named in one and adaptive in the other; which seeds an ablation gets cannot change once "
            "results may have been looked at"
        )
    if isinstance(there.seeds, AdaptiveSeeds) or isinstance(asked.seeds, AdaptiveSeeds):
        return there.seeds
    return tuple(dict.fromkeys([*there.seeds, *asked.seeds]))


def _check_rounds(there: AblationConfig, asked: AblationConfig, rows: Mapping[str, object]) -> None:
    """Raises ConfigError for what would make other looks of those that were planned."""
    if joining := [name for name in rows if name not in _rows(there) and name in asked.trained]:
        raise ConfigError(
            f"arms: {_listed(joining)} would join an ablation whose bounds are for {len(there.trained)} arms"
        )
    before, after = (config.evaluation.sequences for config in (there, asked))
    if after > before:
        raise ConfigError(
            f"evaluation.sequences: {before} were planned for each look, and {after} would change what was seen"
        )


def kept_lists(config: AblationConfig, kept: Iterable[tuple[str | None, JsonObject]]) -> KeptLists:
    """The lists that the sequences of an ablation's rows are of, and where they were cut.

    config: the settings that the ablation shall have. kept: (arm, parameters) of its evaluation jobs. Raises
    ConfigError for more sequences than a list has, or than a list of an earlier version can be continued by.
    """
    shards: dict[str | None, list[ClosedLoopSpec]] = {}
    for row, values in kept:
        if ClosedLoopSpec.reads(values):
            spec = EVALUATE.spec_of(values)
            assert isinstance(spec, ClosedLoopSpec)
            shards.setdefault(row, []).append(spec)
    judged: dict[str | None, AblationConfig] = {None: config, **dict.fromkeys(config.policies, config)}
    judged |= {arm.name: arm.judged for arm in arms_of(config)} if shards else {}
    by_row = {row: _kept_list(found, judged[row]) for row, found in shards.items() if row in judged}
    alike = (by_row[row] for row in judged if row in by_row and judged[row].data.tasks == config.data.tasks)
    return KeptLists(by_row, next(alike, None), config.data.tasks)


def in_few_operations(kept: Iterable[tuple[str | None, JsonObject]]) -> bool:
    """Whether small models of an ablation are trained in few operations. Not where its trainings were planned before
    there were such: all of a table are computed alike, and none that has ended is done again.

    kept: (arm, parameters) of its training jobs, and of others.
    """
    stages = [values["training"] for _, values in kept if "training" in values]
    ways = {stage.get("operations") for stage in stages if isinstance(stage, Mapping)}
    return not ways or "few" in ways


def _kept_list(shards: Sequence[ClosedLoopSpec], config: AblationConfig) -> ListOfSequences:
    """Of the shards of one row, which is judged by `config` from now on."""
    first = shards[0]
    kept = ListOfSequences(
        first.drawn, first.order, first.contents is not None, tuple(sorted({s.last for s in shards}))
    )
    wanted, new = sequences_of(config), list_of(config)
    kept = replace(kept, listed=new.listed)
    continued = kept.by_content or (kept.drawn, kept.order) == (new.drawn, new.order)
    if wanted > kept.drawn or (wanted > max(kept.cuts) and not continued):
        raise ConfigError(
            f"evaluation.sequences: {wanted:,}, and its {max(kept.cuts):,} sequences are of a list of {kept.drawn:,}, "
            "of which no longer one is a continuation"
        )
    return kept


def told(there: AblationConfig, whole: AblationConfig, asked: AblationConfig) -> list[str]:
    """What grows, and what was there and was not asked for again: parts of a sentence."""
    parts, stays = [], []
    asked = named_as(there, asked)
    asked = asked.model_copy(update={"seeds": whole.seeds}) if whole.adaptive is not None else asked
    for what, before, after, named in (
        ("rows", *(list(config.arms) for config in (there, whole, asked))),
        ("seeds", *([str(seed) for seed in config.all_seeds] for config in (there, whole, asked))),
    ):
        if new := [one for one in after if one not in before]:
            parts.append(f"new {what}: {_listed(new)}")
        if left := [one for one in before if one not in named]:
            stays.append(f"{what} {_listed(left)}")
    now, then, wanted = (config.evaluation.sequences for config in (whole, there, asked))
    if now != then:
        parts.append(f"{then} sequences become {now}")
    elif wanted < then:
        stays.append(f"all {then} sequences")
    return [
        *parts,
        *([f"what it has and this does not ask for stays in it: {', '.join(stays)}"] if stays else []),
        *_besides(there, whole, asked),
    ]


def _besides(there: AblationConfig, whole: AblationConfig, asked: AblationConfig) -> list[str]:
    """What it gets that is not asked for, as every row has all seeds and sequences: parts of a sentence."""
    rows = [name for name in there.trained if name not in asked.arms]
    seeds = [str(seed) for seed in there.all_seeds if seed not in asked.all_seeds]
    parts = []
    if rows and (new := [str(seed) for seed in whole.all_seeds if seed not in there.all_seeds]):
        parts.append(f"rows {_listed(rows)} with seeds {_listed(new)}")
    if seeds and (new := [name for name in whole.trained if name not in there.trained]):
        parts.append(f"rows {_listed(new)} with seeds {_listed(seeds)}")
    sequences = whole.evaluation.sequences
    if sequences > there.evaluation.sequences:
        own = {arm.name for arm in arms_of(whole) if arm.own_sequences}
        stay = [name for name in there.arms if name not in asked.arms and name not in own]
        more = [f"{what} {_listed(names)}" for what, names in (("rows", stay), ("seeds", seeds)) if names]
        parts += [f"{' and '.join(more)} on {sequences} sequences"] if more else []
    if not parts:
        return []
    return [f"rows share seeds and sequences, so it gets {', '.join(parts)} too; another --name would not"]


def _listed(values: Iterable[str]) -> str:
    return cut(", ".join(values), 200)


def _rows(config: AblationConfig) -> dict[str, ArmEntry | PolicyRow | None]:
    return dict(config.arms) if isinstance(config.arms, Mapping) else dict.fromkeys(config.arms)


def _named_only(config: AblationConfig) -> bool:
    return not isinstance(config.arms, Mapping)


def _named(rows: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(rows)


def _row_differs(name: str, there: AblationConfig, asked: AblationConfig) -> str:
    """What a row means otherwise in the one than in the other, however it is written; empty where it is the same. Their
    other settings are equal."""
    kinds = ["a policy" if name in config.policies else "an arm" for config in (there, asked)]
    if kinds[0] != kinds[1]:
        return f"it is {kinds[0]} there and {kinds[1]} here"
    return _differ(differing(_meant(name, there), _meant(name, asked)))


def _meant(name: str, config: AblationConfig) -> dict[str, object]:
    """What decides a row, by its key."""
    policy = config.policies.get(name)
    if policy is not None:
        told = policy_json(policy.spec(f"arms.{name}"))
        policy_entries = {f"policy.{key}": value for key, value in told.items()}
        return {"title": tidy(policy.title or name), **policy_entries}
    arm = next(arm for arm in arms_of(config) if arm.name == name)
    trained, judged = (
        {key: value for key, value in flat(settings).items() if not _grows(key)}
        for settings in (arm.config, arm.judged)
    )
    otherwise = {f"judged: {key}": value for key, value in judged.items() if trained.get(key, ...) != value}
    return {
        "title": tidy(arm.title),
        **trained,
        **otherwise,
        "evaluation.sequences": arm.own_sequences or "as many as all",
    }


def _said(value: object, other: object) -> str:
    """A class of the user's own with the beginning of its digest, as `plan` shows it; a section that is off. other:
    what stands on the other side."""
    if value is None and isinstance(other, Mapping):
        return "off"
    if value is None or isinstance(value, bool):
        return json.dumps(value)  # as it is written in YAML
    own = reference_of(value)
    if own is None or own.digest is None:
        return shown(value, 60)
    return f"{own.label} (source {own.digest[:8]})"


def _differ(found: Mapping[str, tuple[object, object]]) -> str:
    """found: what stands there and here, by key."""
    named = [
        f"{cut(key, 100)} is {_said(there, here)} there and {_said(here, there)} here"
        for key, (there, here) in islice(found.items(), _MOST_SHOWN)
    ]
    more = len(found) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
