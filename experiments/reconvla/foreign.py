"""Settings of somebody else's ablation: which of them name programs, files, code and policies."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.foreign_parameters import HUB, check_policy, lies_elsewhere, need_code
from experiments.reconvla.arms import arms_of, settings_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.own_classes import named_in
from experiments.registry import Allowed, TakenOver
from policies.registry import reaches_out
from settings.json_values import JsonObject

#: Settings that name a program, by their place.
PROGRAMS = (("gaze", "python"), ("evaluation", "calvin_python"))


def taken_over(settings: JsonObject, allowed: Allowed) -> TakenOver:
    """See `experiments.registry.Experiment.taken_over`."""
    config = AblationConfig.model_validate(settings)
    if config.adaptive is not None:
        from experiments.reconvla.adaptive import check_planned  # on use: scipy takes long

        check_planned(config)
    for entry, name in named_in(settings):
        need_code(name, entry, allowed.code)
    ablations = [config, *(arm.config for arm in arms_of(config))]
    places = [lies_elsewhere(text) for one in ablations for text in _named_files(one)]
    for name, row in config.policies.items():
        places += check_policy(row.policy, f"arms.{name}.policy", allowed.policies)
    programs: list[str] = []
    kept = dict(settings)
    for section, name in PROGRAMS:
        value = kept.get(section)
        if isinstance(value, dict) and value.get(name) is not None:
            programs.append(str(value[name]))
            kept[section] = {**value, name: None}
    if isinstance(arms := kept.get("arms"), dict):
        kept["arms"] = _without_programs(arms, config, programs)
    return TakenOver(kept, programs, places)


def _without_programs(arms: JsonObject, config: AblationConfig, programs: list[str]) -> dict[str, object]:
    """Rows; `programs` gets what is left out of them."""
    kept = dict(arms)
    for arm, entry in config.trained.items():
        said = [] if entry is None else settings_of(entry, arm)
        if any(place in PROGRAMS for place, _ in said):
            programs += [str(value) for place, value in said if place in PROGRAMS and value is not None]
            without = {".".join(place): value for place, value in said if place not in PROGRAMS}
            kept[arm] = {**_row(arms[arm]), "set": without}
    return kept


def _row(value: object) -> JsonObject:
    assert isinstance(value, dict), "what has settings is a mapping"
    return value


def _named_files(config: AblationConfig) -> Iterator[str]:
    """Paths in an ablation's settings as they were written; those of weights may be names of the hub."""
    data, evaluation = config.data, config.evaluation
    named = (
        data.root,
        data.pretraining_root,
        data.validation_root,
        evaluation.assets,
        evaluation.instructions,
        evaluation.sequences_file,
    )
    yield from filter(None, (*named, *config.model.backbones.model_dump().values()))
    if config.gaze.weights is not None and not HUB.fullmatch(config.gaze.weights):
        yield config.gaze.weights


def reaching_out(settings: JsonObject) -> list[str]:
    """See `experiments.registry.Experiment.reaching_out`."""
    config = AblationConfig.model_validate(settings)
    return [name for name, row in config.policies.items() if reaches_out(row.spec(f"arms.{name}"))]
