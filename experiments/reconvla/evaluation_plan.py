"""What the evaluation jobs of an ablation are told: protocol, simulator, phrases, and shards of sequences."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.cameras import EGL, TINY
from benchmark.tasks import TASKS
from calvin.instructions import read_instruction_file
from calvin.listed_sequences import listed, of_line, read_sequences_file, tasks_of
from calvin.official_sequences import COUNT as OFFICIAL_COUNT
from calvin.protocols import protocol_named
from calvin.sequences import Chain, check_tasks
from calvin.split import BATON, TRAINING, VALIDATION, Recording, open_split
from errors import ConfigError, InvalidInput
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.demonstrations import known_tasks, place_of, reading_of
from experiments.reconvla.hub_data import local
from experiments.reconvla.sections import Data
from settings.code_source import reference_of
from settings.places import expanded
from simulators.calvin_env import PYTHON_VARIABLE
from simulators.own import try_own
from simulators.rendering import AUTO, Renderer, chosen_renderer
from tasks.drawn_anew import looked_at, maker
from tasks.evaluate.closed_loop import Order, chains_of, contents_of, told_contents
from tasks.evaluate.simulator_identity import assets_identity, official_identity
from tasks.specs import ClosedLoopSpec, SplitName

NO_SIMULATOR = (
    "closed-loop evaluation of CALVIN data needs CALVIN's own scenes: set evaluation.assets to a clone of "
    "calvin_env, or evaluation.simulator to calvin"
)

#: The frames of the built-in simulator's demonstrations, which are made without any dataset.
_OWN_FRAMES = Recording(TINY, "Baton draws its own demonstrations with it", BATON)


@dataclass(frozen=True)
class ListOfSequences:
    """Which list the sequences of a row are of, and where it was cut: what an ablation that grows keeps.

    drawn, order: see `tasks.evaluate.closed_loop.chains_of`. by_content: keys hold what each sequence is; those of
    earlier versions hold its place. cuts: where shards end. listed: the sequences themselves, where they are from a
    file (`calvin.listed_sequences.listed`).
    """

    drawn: int
    order: Order
    by_content: bool = True
    cuts: tuple[int, ...] = ()
    listed: tuple[str, ...] | None = None

    def shards(self, sequences: int, each: int) -> list[range]:
        """The first `sequences`, cut where they were and every `each`."""
        inner = {*range(each, sequences, each), *(cut for cut in self.cuts if cut < sequences)}
        ends = [*sorted(inner), sequences]
        return [range(first, last) for first, last in zip([0, *ends], ends)]


@dataclass(frozen=True)
class KeptLists:
    """The lists of an ablation that is there. by_row: of each row of its table, which may have sequences of its own;
    None stands for the baseline of random actions. others: of rows that join it, with these tasks; None where nothing
    of them is there.
    """

    by_row: Mapping[str | None, ListOfSequences] = field(default_factory=dict)
    others: ListOfSequences | None = None
    tasks: tuple[str, ...] = ()

    def of(self, row: str | None, config: AblationConfig) -> ListOfSequences | None:
        """That of a row which is judged by `config`; None: a new one."""
        if row in self.by_row:
            return self.by_row[row]
        fits = self.others is not None and sequences_of(config) <= self.others.drawn
        return self.others if fits and config.data.tasks == self.tasks else None


def list_of(config: AblationConfig) -> ListOfSequences:
    """That of a new ablation. One list serves all sizes up to the official one, so that an evaluation can grow; few
    tasks form few chains, of which a long list has copies, and the distinct ones come first.
    """
    protocol, evaluation = config.evaluation.protocol, config.evaluation
    if (chains := _chains_of_file(config)) is not None:
        return ListOfSequences(len(chains), "drawn", listed=listed(chains))
    drawn = protocol_named(protocol).drawn if protocol else max(OFFICIAL_COUNT, evaluation.sequences)
    return ListOfSequences(drawn, "distinct" if config.data.tasks else "drawn")


def _chains_of_file(config: AblationConfig) -> list[Chain] | None:
    name = config.evaluation.sequences_file
    return None if name is None else read_sequences_file(expanded(name, "evaluation.sequences_file"))


def asked_tasks(config: AblationConfig) -> tuple[str, ...]:
    """Tasks that its sequences may ask for."""
    chains = _chains_of_file(config)
    return tuple(config.data.tasks or TASKS) if chains is None else tasks_of(chains)


def sequences_of(config: AblationConfig) -> int:
    """How many are evaluated."""
    protocol = config.evaluation.protocol
    return protocol_named(protocol).sequences if protocol else config.evaluation.sequences


def closed_loop_shards(
    config: AblationConfig,
    recording: Callable[[], Recording] | None = None,
    sequences_in: ListOfSequences | None = None,
) -> Iterator[ClosedLoopSpec]:
    """Each shard, for the baseline of random actions.

    recording: tells what drew the training frames, by default `frames_recording`. sequences_in: by default `list_of`.
    Raises ConfigError for options that contradict each other or form no sequence, SimulatorMissing where the
    simulator's files are not here.
    """
    evaluation = config.evaluation
    max_steps = evaluation.max_steps
    if evaluation.protocol is not None:
        if evaluation.sequences_file is not None:
            raise ConfigError(
                f"evaluation.sequences_file: {evaluation.protocol} has its own sequences; leave out evaluation.protocol"
            )
        if config.data.tasks:
            raise ConfigError(
                f"evaluation.protocol: {evaluation.protocol} has all tasks; leave data.tasks empty"
            )
        max_steps = protocol_named(evaluation.protocol).max_steps
    known_tasks(config.data)
    _check_sequences(config)
    _check_unused(config)
    named = evaluation.calvin_python is not None or PYTHON_VARIABLE in os.environ
    if evaluation.simulator == "calvin" and not named:
        raise ConfigError(
            f"evaluation.calvin_python: name the interpreter that imports calvin_env, here or in {PYTHON_VARIABLE}"
        )
    instructions = _instructions(config)
    assets = None if evaluation.assets is None else str(Path(evaluation.assets).expanduser().absolute())
    scene, official, digest = config.data.evaluation_scene, None, None
    if evaluation.simulator == "calvin":
        official = official_identity(scene, evaluation.calvin_python)
    elif assets is not None:
        digest = assets_identity(scene, assets)
    frames = recording() if recording is not None else frames_recording(config, config.data)
    own = reference_of(evaluation.simulator)
    if own is not None:
        try_own(own, scene)
    renderer = chosen_renderer(evaluation.renderer, frames.renderer) if own is None else _as_drawn(frames)
    untrained = untrained_tasks(config)
    wanted = sequences_in or list_of(config)
    sequences = sequences_of(config)
    contents: tuple[str, ...] = ()
    if wanted.listed is not None:
        if sequences > len(wanted.listed):
            raise ConfigError(
                f"evaluation.sequences: {evaluation.sequences_file} has {len(wanted.listed):,}, not {sequences:,}"
            )
        contents = told_contents(map(of_line, wanted.listed[:sequences]), instructions)
    elif wanted.by_content:
        chains = chains_of(wanted.drawn, config.data.tasks, wanted.order)
        contents = contents_of(chains, instructions, range(sequences))
    for numbers in wanted.shards(sequences, evaluation.sequences_per_shard):
        yield ClosedLoopSpec(
            mode="closed_loop",
            policy="random",
            seed=0,
            simulator=evaluation.simulator,
            scene=scene,
            # One of the user's own is taken to show the scenes that the frames do.
            scenes="baton" if _is_built_in(config) or (own and frames.scenes == BATON) else "calvin",
            assets=assets,
            python=evaluation.calvin_python,
            renderer=renderer,
            frames_renderer=frames.renderer,
            frames_basis=frames.basis,
            frames_scenes=frames.scenes,
            frames_losses=frames.losses,
            untrained_tasks=tuple(untrained),
            assets_digest=digest,
            calvin_env=official,
            tasks=tuple(config.data.tasks) if wanted.listed is None else (),
            listed=None if wanted.listed is None else wanted.listed[numbers.start : numbers.stop],
            drawn=wanted.drawn,
            order=wanted.order,
            instructions=instructions,
            max_steps=max_steps,
            simulators=evaluation.simulators_per_batch,
            parallel=evaluation.parallel_simulators,
            policy_batch=evaluation.policy_batch,
            threads=evaluation.threads,
            videos=0,
            video_attention=evaluation.shows_looks,
            first=numbers.start,
            last=numbers.stop,
            contents=contents[numbers.start : numbers.stop] if wanted.by_content else None,
            slice_seconds=evaluation.slice_seconds,
        )


def _check_unused(config: AblationConfig) -> None:
    """Raises ConfigError for settings that another simulator has."""
    evaluation = config.evaluation
    unused = {"calvin": ("assets",), "playtable": ("calvin_python",)}
    for name in unused.get(evaluation.simulator, ("assets", "calvin_python", "renderer")):
        if getattr(evaluation, name) not in (None, AUTO):
            told = reference_of(evaluation.simulator)
            raise ConfigError(
                f"evaluation.{name}: the simulator {told.label if told else evaluation.simulator} does not use it; "
                "leave it out, or choose another evaluation.simulator"
            )


def _as_drawn(frames: Recording) -> Renderer:
    """What a simulator of the user's own is said to draw with: nobody here knows."""
    return EGL if frames.renderer == EGL else TINY


def frames_recording(config: AblationConfig, data: Data, purpose: SplitName = TRAINING) -> Recording:
    """What drew the training frames of `data`, or those of its pretraining, and what that rests on.

    Frames are drawn anew where the evaluation has a simulator of CALVIN's scenes.
    """
    root = place_of(data, purpose)
    if root is None:
        return _OWN_FRAMES
    evaluation, make = config.evaluation, None
    if evaluation.simulator == "calvin" or (
        evaluation.simulator == "playtable" and evaluation.assets is not None
    ):
        make = maker(evaluation.simulator, evaluation.assets, evaluation.calvin_python)
    return looked_at(open_split(local(root), TRAINING, reading_of(data, purpose)), make)


def untrained_tasks(config: AblationConfig, asked: Sequence[str] | None = None) -> list[str]:
    """Tasks that the evaluation asks for (by default those of `config`) and no training demonstration shows."""
    if config.data.root is None:
        return []
    split = open_split(local(config.data.root), TRAINING, reading_of(config.data, TRAINING))
    shown = {demonstration.task for demonstration in split.demonstrations}
    return [task for task in (asked_tasks(config) if asked is None else asked) if task not in shown]


def _check_sequences(config: AblationConfig) -> None:
    """Raises ConfigError where the tasks form no sequence, hours before the evaluation would say so."""
    if config.evaluation.sequences_file is not None:
        return
    try:
        check_tasks(config.data.tasks or TASKS)
    except InvalidInput as error:
        raise ConfigError(f"data.tasks: {error}") from None


def _is_built_in(config: AblationConfig) -> bool:
    return config.evaluation.simulator == "playtable" and config.evaluation.assets is None


def _instructions(config: AblationConfig) -> dict[str, str] | None:
    """The phrases of the file that is named, else those of the dataset; None: Baton's own."""
    if config.evaluation.instructions is not None:
        file = expanded(config.evaluation.instructions, "evaluation.instructions")
        return read_instruction_file(file, asked_tasks(config))
    if config.data.validated_on is None:
        return None
    root = local(config.data.validated_on)
    split = open_split(root, VALIDATION, reading_of(config.data, VALIDATION))
    phrases = dict(split.validation_instructions)
    missing = [task for task in asked_tasks(config) if task not in phrases]
    if missing:
        raise ConfigError(
            f"{config.data.validated_on}: validation/lang_annotations/embeddings.npy has no instruction for "
            f"{missing[0]}; name a file with evaluation.instructions (calvin_models/conf/annotations/"
            "new_playtable_validation.yaml)"
        )
    return phrases
