"""An ablation that grows: the same name with more seeds, sequences or rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from errors import ConfigError
from experiments.reconvla.arms import arms_of, flat
from experiments.reconvla.config import AblationConfig, ArmEntry, PolicyRow
from experiments.reconvla.evaluation_plan import ListOfSequences, list_of, sequences_of
from settings.json_values import JsonObject
from settings.shown import cut, shown
from tasks.registry import EVALUATE
from tasks.specs import ClosedLoopSpec

#: What may grow; all else is the same in the ablation that is there, or it is another ablation.
_GROWING = frozenset({"name", "seeds", "evaluation.sequences"})
#: Of settings that differ, in a sentence.
_MOST_SHOWN = 3


def grown(there: AblationConfig, asked: AblationConfig) -> AblationConfig:
    """The settings of `there` with what `asked` has besides. Nothing that is there goes: its seeds, rows and sequences
    stay, whether asked for again or not.

    Raises ConfigError that says which settings differ.
    """
    before, after = flat(there), flat(asked)
    keys = [key for key in {**before, **after} if key not in _GROWING]
    differing = [key for key in keys if before.get(key, ...) != after.get(key, ...)]
    if differing:
        raise ConfigError(_differ(differing, before, after))
    rows = _rows(there)
    for name, row in _rows(asked).items():
        if name in rows and (differs := _row_differs(name, there, asked)):
            raise ConfigError(f"arms.{cut(name)}: {differs}")
        rows.setdefault(name, row)
    return there.model_copy(
        update={
            "arms": _named(rows) if _named_only(there) and _named_only(asked) else rows,
            "seeds": tuple(dict.fromkeys([*there.seeds, *asked.seeds])),
            "evaluation": there.evaluation.model_copy(
                update={"sequences": max(there.evaluation.sequences, asked.evaluation.sequences)}
            ),
        }
    )


def kept_list(config: AblationConfig, specs: Iterable[JsonObject]) -> ListOfSequences | None:
    """The list that the sequences of an ablation's jobs are of, and where it was cut; None where it has none.

    config: the settings that the ablation shall have. specs: parameters of its evaluation jobs. Raises ConfigError for
    more sequences than its list has, or than a list of an earlier version can be continued by.
    """
    shards = [EVALUATE.spec_of(spec) for spec in specs if ClosedLoopSpec.reads(spec)]
    found = [s for s in shards if isinstance(s, ClosedLoopSpec) and tuple(s.tasks) == config.data.tasks]
    if not found:
        return None
    first = found[0]
    kept = ListOfSequences(
        first.drawn, first.order, first.contents is not None, tuple(sorted({s.last for s in found}))
    )
    wanted, new = sequences_of(config), list_of(config)
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
    for what, before, after, named in (
        ("rows", *(list(config.arms) for config in (there, whole, asked))),
        ("seeds", *([str(seed) for seed in config.seeds] for config in (there, whole, asked))),
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
    return [*parts, *([f"not named here and kept: {', '.join(stays)}"] if stays else [])]


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
    before, after = _meant(name, there), _meant(name, asked)
    differing = [key for key in {**before, **after} if before.get(key, ...) != after.get(key, ...)]
    return _differ(differing, before, after) if differing else ""


def _meant(name: str, config: AblationConfig) -> dict[str, object]:
    """What decides a row, by its key."""
    policy = config.policies.get(name)
    if policy is not None:
        return {"title": policy.title or name, "policy": policy.policy}
    arm = next(arm for arm in arms_of(config) if arm.name == name)
    trained, judged = (
        {key: value for key, value in flat(settings).items() if key not in _GROWING}
        for settings in (arm.config, arm.judged)
    )
    otherwise = {f"judged: {key}": value for key, value in judged.items() if trained.get(key, ...) != value}
    sequences = arm.differs.get("evaluation.sequences")
    return {"title": arm.title, **trained, **otherwise, "evaluation.sequences": sequences}


def _differ(keys: list[str], before: Mapping[str, object], after: Mapping[str, object]) -> str:
    named = [
        f"{cut(key, 100)} is {shown(before.get(key), 60)} there and {shown(after.get(key), 60)} here"
        for key in keys[:_MOST_SHOWN]
    ]
    more = len(keys) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
