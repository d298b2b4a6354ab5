"""What the evaluation jobs of an ablation are told: protocol, simulator, phrases, and shards of sequences."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calvin.dataset import open_dataset
from calvin.instructions import read_instruction_file
from calvin.protocols import protocol_named
from calvin.recording import recorded_renderer
from calvin.task_names import TASKS
from errors import ConfigError
from settings.ablation import AblationConfig
from simulators.calvin_env import PYTHON_VARIABLE
from simulators.rendering import TINY, chosen_renderer
from workers.demonstrations import TRAINING, VALIDATION


def has_closed_loop(config: AblationConfig) -> bool:
    """Whether there is a simulator of the scenes that the demonstrations show."""
    evaluation = config.evaluation
    return config.data.root is None or evaluation.assets is not None or evaluation.simulator == "calvin"


def closed_loop_shards(config: AblationConfig) -> Iterator[dict[str, Any]]:
    """The description of each shard (see `tasks.closed_loop`), without its policy.

    Raises ConfigError for options that contradict each other.
    """
    evaluation = config.evaluation
    sequences, drawn, max_steps = evaluation.sequences, evaluation.sequences, evaluation.max_steps
    if evaluation.protocol is not None:
        if config.data.tasks:
            raise ConfigError(
                f"evaluation.protocol: {evaluation.protocol} has all tasks; leave data.tasks empty"
            )
        protocol = protocol_named(evaluation.protocol)
        sequences, drawn, max_steps = protocol.sequences, protocol.drawn, protocol.max_steps
    named = evaluation.calvin_python is not None or PYTHON_VARIABLE in os.environ
    if evaluation.simulator == "calvin" and not named:
        raise ConfigError(
            f"evaluation.calvin_python: name the interpreter that imports calvin_env, here or in {PYTHON_VARIABLE}"
        )
    instructions = _instructions(config)
    frames = frames_renderer(config.data.root)
    renderer = chosen_renderer(evaluation.renderer, frames)
    for first in range(0, sequences, evaluation.sequences_per_shard):
        yield {
            "mode": "closed_loop",
            "simulator": evaluation.simulator,
            "scene": config.data.evaluation_scene,
            "scenes": "baton" if _is_built_in(config) else "calvin",
            "assets": evaluation.assets,
            "python": evaluation.calvin_python,
            "renderer": renderer,
            "frames_renderer": frames,
            "tasks": list(config.data.tasks),
            "drawn": drawn,
            "instructions": instructions,
            "max_steps": max_steps,
            "simulators": evaluation.simulators_per_batch,
            "parallel": evaluation.parallel_simulators,
            "policy_batch": evaluation.policy_batch,
            "threads": evaluation.threads,
            "videos": evaluation.videos,
            "video_attention": evaluation.video_attention,
            "first": first,
            "last": min(first + evaluation.sequences_per_shard, sequences),
            "slice_seconds": evaluation.slice_seconds,
        }


def frames_renderer(root: str | None) -> str | None:
    """What drew the training frames of a dataset (None: the built-in simulator's), `egl` or `tiny`; None where it
    does not tell.
    """
    return TINY if root is None else recorded_renderer(Path(root).expanduser() / TRAINING)


def _is_built_in(config: AblationConfig) -> bool:
    return config.evaluation.simulator == "playtable" and config.evaluation.assets is None


def _instructions(config: AblationConfig) -> dict[str, str] | None:
    """The phrases of the file that is named, else those of the dataset; None: Baton's own."""
    if config.evaluation.instructions is not None:
        return read_instruction_file(Path(config.evaluation.instructions).expanduser())
    if config.data.root is None:
        return None
    phrases = dict(open_dataset(Path(config.data.root), VALIDATION).validation_instructions)
    missing = [task for task in config.data.tasks or TASKS if task not in phrases]
    if missing:
        raise ConfigError(
            f"{config.data.root}: validation/lang_annotations/embeddings.npy has no instruction for "
            f"{missing[0]}; name a file with evaluation.instructions (calvin_models/conf/annotations/"
            "new_playtable_validation.yaml)"
        )
    return phrases
