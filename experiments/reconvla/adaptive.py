"""An ablation with adaptive seeds: what its settings must be, the looks that are planned, and its next round."""

from __future__ import annotations

from collections.abc import Sequence

from errors import ConfigError
from experiments.design.bounds import FIRST_LOOK, MOST_COMPARISONS, looks_bounds
from experiments.design.decision import ArmDecision, Rules
from experiments.design.measures import Measure, measure_named
from experiments.reconvla.arms import Arm
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.evaluation_plan import NO_SIMULATOR
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.sections import Comparison
from experiments.reconvla.seeds import AdaptiveSeeds, PlannedSeeds
from reports.level import ALPHA
from settings.shown import cut, shown

_PLACE = "seeds.adaptive"


def check_adaptive(config: AblationConfig, arms: Sequence[Arm]) -> None:
    """Raises ConfigError where no look could compare the arms; nothing where seeds are named."""
    adaptive = config.adaptive
    if adaptive is None:
        return
    if len(arms) < 2:
        raise ConfigError(f"{_PLACE}: there is one arm, and nothing to compare it with")
    if len(arms) - 1 > MOST_COMPARISONS:
        raise ConfigError(f"{_PLACE}: {len(arms) - 1} comparisons; at most {MOST_COMPARISONS} have bounds")
    if not config.has_closed_loop:
        raise ConfigError(f"{_PLACE}: it decides by closed loop; {NO_SIMULATOR}")
    measure = _measure(config)
    said = config.comparison.measure
    if said not in (Comparison().measure, measure.name):
        raise ConfigError(
            f"{_PLACE}.measure: {measure.name} would decide, and the report would conclude from comparison.measure, "
            f"{said}; leave one of them out"
        )
    if adaptive.margin >= measure.largest:
        raise ConfigError(
            f"{_PLACE}.margin: {adaptive.margin:g} {measure.unit} of at most {measure.largest:g} in {measure.label}: "
            "every difference is smaller"
        )
    names = [arm.name for arm in arms]
    baseline = _baseline(config, names)
    like = _judged_by(arms[names.index(baseline)])
    for arm in arms:
        if _judged_by(arm) != like:
            raise ConfigError(
                f"{_PLACE}: {shown(arm.name)} is judged on other sequences than {shown(baseline)}, so they cannot be "
                "compared"
            )


def check_planned(config: AblationConfig) -> None:
    """Raises ConfigError for bounds and rounds that no plan writes: with larger bounds equal methods would be called
    different more often than is told, and other seeds of an arm are never looked at."""
    adaptive = config.adaptive
    if adaptive is None or adaptive.planned is None:
        return
    planned, names, place = adaptive.planned, list(config.trained), f"{_PLACE}.planned"
    baseline = _baseline(config, names) if names else ""
    most = ALPHA / max(1, len(names) - 1)
    for bound in planned.bounds:
        if bound > most:
            raise ConfigError(f"{place}.bounds: {bound:g}, and no plan has one above {most:g}")
    if set(planned.seeds) != set(names):
        raise ConfigError(f"{place}.seeds: {shown(list(planned.seeds))} are not the arms, {shown(names)}")
    for name, count in planned.seeds.items():
        if not FIRST_LOOK <= count <= min(adaptive.max, planned.seeds.get(baseline, 0)):
            raise ConfigError(
                f"{place}.seeds.{cut(name)}: {count}, and no plan has less than {FIRST_LOOK}, more than the "
                f"baseline's, or more than {adaptive.max}"
            )
    others = [name for name in names if name != baseline]
    if len(set(planned.open)) < len(planned.open) or not set(planned.open) <= set(others):
        raise ConfigError(
            f"{place}.open: {shown(planned.open)} are not of the arms {shown(others)}, each once"
        )


def prepared(config: AblationConfig) -> AblationConfig:
    """With bounds and the first rounds, where adaptive seeds have none yet. Raises ConfigError for what has no
    looks, see `check_adaptive`, which must have been asked before."""
    adaptive = config.adaptive
    if adaptive is None or adaptive.planned is not None:
        return config
    names = list(config.trained)
    compared = tuple(name for name in names if name != _baseline(config, names))
    bounds = looks_bounds(adaptive.max, max(1, len(compared)))
    return _with(config, PlannedSeeds(bounds=bounds, seeds=dict.fromkeys(names, FIRST_LOOK), open=compared))


def rules_of(config: AblationConfig) -> Rules | None:
    """None where seeds are named."""
    adaptive = config.adaptive
    if adaptive is None:
        return None
    planned = prepared(config).adaptive
    assert planned is not None and planned.planned is not None
    names = list(config.trained)
    baseline = _baseline(config, names)
    arms = tuple(name for name in names if name != baseline)
    return Rules(baseline, arms, _measure(config).name, adaptive.margin, planned.planned.bounds)


def next_round(config: AblationConfig, decisions: Sequence[ArmDecision]) -> AblationConfig:
    """The settings after a look: one seed more for the arms that are open, and for the baseline while one is."""
    adaptive = config.adaptive
    assert adaptive is not None and adaptive.planned is not None
    open_arms = tuple(decision.arm for decision in decisions if decision.verdict == "open")
    baseline = _baseline(config, list(config.trained))
    seeds = dict(adaptive.planned.seeds)
    for name in (baseline, *open_arms) if open_arms else ():
        seeds[name] = min(adaptive.max, seeds.get(name, 0) + 1)
    return _with(config, adaptive.planned.model_copy(update={"seeds": seeds, "open": open_arms}))


def _with(config: AblationConfig, planned: PlannedSeeds) -> AblationConfig:
    assert config.adaptive is not None
    adaptive = config.adaptive.model_copy(update={"planned": planned})
    return config.model_copy(update={"seeds": AdaptiveSeeds(adaptive=adaptive)})


def _baseline(config: AblationConfig, names: Sequence[str]) -> str:
    return config.comparison.baseline if config.comparison.baseline is not None else names[0]


def _measure(config: AblationConfig) -> Measure:
    """Raises ConfigError."""
    assert config.adaptive is not None
    said = config.adaptive.measure
    named = config.comparison.measure if said is None else said
    return measure_named(TASKS_IN_A_ROW, named, f"{_PLACE}.measure")


def _judged_by(arm: Arm) -> object:
    data = arm.judged.data
    return arm.judged.evaluation, data.evaluation_scene, data.tasks, data.validated_on, data.root
