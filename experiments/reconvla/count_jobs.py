"""How many jobs a configuration makes, before any of them is."""

from __future__ import annotations

from benchmark.tasks import TASKS
from calvin.protocols import protocol_named
from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig

#: CALVIN's three scenes with all their demonstrations are a tenth of it.
MOST_JOBS = 250_000
#: Of one arm and seed: pretraining, training, and what looks at the model beside the closed loop.
_JOBS_OF_A_RUN = 5


def check_jobs(config: AblationConfig, most: int = MOST_JOBS) -> None:
    """Raises ConfigError naming the entry that makes the most jobs where all together are more than `most`.

    Recorded demonstrations do not count: there are as many as there are.
    """
    made = jobs_by_entry(config)
    total = sum(made.values())
    if total > most:
        entry = max(made, key=lambda name: made[name])
        raise ConfigError(
            f"{entry}: that makes {total:,} jobs, {made[entry]:,} of them by this entry; an ablation "
            f"has at most {most:,}"
        )


def jobs_by_entry(config: AblationConfig) -> dict[str, int]:
    """How many jobs each entry of the configuration makes, but for the few that join others."""
    data, evaluation = config.data, config.evaluation
    each = len(config.all_seeds) if config.adaptive is None else config.adaptive.max
    runs = each * len(config.trained)
    made = {"seeds": runs * _JOBS_OF_A_RUN}
    corpora = []
    if data.root is None:
        corpora += [
            ("data.demonstrations_per_task", data.demonstrations_per_task, len(data.training_scenes)),
            (
                "data.validation_demonstrations_per_task",
                data.validation_demonstrations_per_task,
                len(data.training_scenes),
            ),
        ]
    if data.pretrained_on is None and any(arm.method.pretrained for arm in arms_of(config)):
        each, scenes = data.pretraining_demonstrations_per_task, len(data.pretraining_scenes)
        corpora.append(("data.pretraining_demonstrations_per_task", each, scenes))
    for entry, each, scenes in corpora:
        demonstrations = each * scenes * len(data.tasks or TASKS)
        made[entry] = demonstrations + -(-demonstrations // data.chunk)  # regions, and frames by the chunk
    if config.has_closed_loop:
        protocol = evaluation.protocol
        sequences = evaluation.sequences if protocol is None else protocol_named(protocol).sequences
        shards = -(-sequences // evaluation.sequences_per_shard)
        made["evaluation.sequences"] = shards * (runs + len(config.policies) + evaluation.random_baseline)
    return made
