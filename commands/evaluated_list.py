"""Which sequences `evaluate` evaluates, and where: by its options, or as the ablation does whose run is judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.tasks import TASKS
from calvin.protocols import Protocol
from calvin.sequences import check_tasks
from errors import InvalidInput
from settings.streams import say

if TYPE_CHECKING:
    from commands.named_checkpoint import Checkpoint
    from tasks.specs import ClosedLoopSpec


def as_its_ablation(context: click.Context, name: str, found: Checkpoint) -> dict[str, Any]:
    """Options as the run's own ablation has them, but for what was given."""
    if found.protocol is None:
        say(f"{name}: its ablation judges nothing in closed loop; CALVIN's protocol is taken", error=True)
        return {}
    given = [
        str(parameter.name)
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) == click.core.ParameterSource.COMMANDLINE
    ]
    taken = found.protocol.options(given)
    whose = f"{name}: judged as {found.protocol.ablation} judges it"
    say(
        f"{whose}{', but for what was given here' if taken != found.protocol.options(()) else ''}", error=True
    )
    return taken


def _tasks(named: str | None) -> list[str]:
    """Raises InvalidInput where no sequence can be made of them."""
    if named is None:
        return []
    tasks = [task.strip() for task in named.split(",")]
    try:
        check_tasks(tasks)
    except InvalidInput as error:
        raise InvalidInput(f"--tasks: {error}") from None
    return tasks


def _listed(options: dict[str, Any]) -> tuple[str, ...] | None:
    """The sequences of --sequences-file, None without. Raises InvalidInput where they contradict another option."""
    file = options["sequences_file"]
    if file is None:
        return None
    if options["tasks"] is not None:
        raise InvalidInput("--tasks draws sequences, and --sequences-file names them; leave one out")
    from calvin.listed_sequences import listed, read_sequences_file

    return listed(read_sequences_file(Path(file)))


def _phrases(file: str, lines: Sequence[str] | None) -> dict[str, str]:
    """Of the tasks that are asked for in a list, or of all."""
    from calvin.instructions import read_instruction_file
    from calvin.listed_sequences import of_line, tasks_of

    needed = TASKS if lines is None else tasks_of([of_line(line)[0] for line in lines])
    return read_instruction_file(Path(file), needed)


def sequences_of(protocol: Protocol, options: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """How many are evaluated, and their list, but for the renderer, which may depend on the policy."""
    own: ClosedLoopSpec | None = options.get("chains")
    lines = _listed(options) if own is None else own.listed
    tasks = _tasks(options["tasks"]) if own is None else list(own.tasks)
    sequences = options["sequences"] or (protocol.sequences if lines is None else len(lines))
    if lines is not None and sequences > len(lines):
        raise InvalidInput(
            f"--sequences: {options['sequences_file'] or 'its list'} has {len(lines)}, not {sequences}"
        )
    if own is not None and lines is None and sequences > own.drawn:
        raise InvalidInput(f"--sequences: its ablation's list has {own.drawn}, not {sequences}")
    if own is None and lines is None and not tasks and sequences > protocol.sequences:
        raise InvalidInput(f"--sequences: {protocol.name} has {protocol.sequences}, not {sequences}")
    phrases = options["instructions"]
    return sequences, {
        "simulator": options["simulator"],
        "scene": options["scene"],
        "assets": options["assets"],
        "python": options["calvin_python"],
        "tasks": tuple(tasks),
        "drawn": own.drawn if own else max(protocol.drawn, sequences) if tasks else protocol.drawn,
        "order": own.order if own else "distinct" if tasks else "drawn",
        "instructions": _phrases(phrases, lines) if phrases else own.instructions if own else None,
        "listed": None if lines is None else lines[:sequences],
        "max_steps": options["max_steps"] or protocol.max_steps,
        "simulators": options["simulators"],
        "parallel": options["parallel"],
    }
