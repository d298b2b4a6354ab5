"""`evaluate`: one checkpoint (or any policy) by CALVIN's protocol, without the queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.embodiment import CHUNK_STEPS
from benchmark.tasks import SCENES
from calvin.protocols import PROTOCOLS, protocol_named
from calvin.sequences import CHAIN_LENGTH
from commands.evaluated_list import as_its_ablation, sequences_of
from commands.model_options import HELP, crop_option, detector_option, is_run, precision_option
from commands.named_policy import policy_named
from commands.options import home_option, resolve_home, threads_option
from commands.place_type import PLACE_TEXT, Folder, Named
from commands.ranges import SIMULATORS, Seconds
from errors import InvalidInput
from policies.registry import ACTIONS, MOST_CHUNK_STEPS, RELATIVE
from settings.streams import say
from simulators.rendering import AUTO, CHOICES, chosen_renderer, usual_renderer

if TYPE_CHECKING:
    from policies.base import Policy

POLICIES = "or a folder of OpenVLA, `expert`, `random`, or the address of a policy server (http://HOST:PORT)"


@click.command(
    "evaluate",
    help=f"Evaluate CHECKPOINT: {HELP}; {POLICIES}. With --policy or --replay no CHECKPOINT is needed.",
)
@click.argument("words", nargs=-1, type=Named("model"), metavar="[CHECKPOINT]")
@home_option
@click.option(
    "--policy",
    "described",
    type=PLACE_TEXT,
    metavar="YAML|FILE",
    default=None,
    help="Instead of CHECKPOINT: a policy as a row of an ablation names it, '{kind: random, seed: 3}'.",
)
@click.option("--protocol", type=click.Choice(list(PROTOCOLS)), default="calvin", show_default=True)
@click.option(
    "--sequences", type=click.IntRange(1), default=None, help="Only the first of the protocol's list."
)
@click.option(
    "--sequences-file",
    type=PLACE_TEXT,
    metavar="JSON",
    default=None,
    help="Instead of the protocol's list: [[initial state, [five tasks]], ...].",
)
@click.option(
    "--tasks", default=None, metavar="A,B", help="Draw sequences from these tasks only (toy models)."
)
@click.option(
    "--max-steps", type=click.IntRange(1), default=None, help="Steps a subtask [default: protocol's]."
)
@click.option(
    "--against",
    type=Named("model"),
    metavar="CHECKPOINT",
    default=None,
    help="Play both on the same sequences, and end once they are told apart.",
)
@click.option(
    "--level",
    type=click.IntRange(1, CHAIN_LENGTH),
    default=1,
    show_default=True,
    help="Subtasks in a row by which --against tells two policies apart.",
)
@click.option("--official-compat", is_flag=True, help="With the slips of ReconVLA's released evaluation.")
@click.option(
    "--simulator", type=click.Choice(["playtable", "calvin"]), default="playtable", show_default=True
)
@click.option("--scene", type=click.Choice(SCENES), default="D", show_default=True)
@click.option(
    "--assets",
    type=PLACE_TEXT,
    metavar="DIR",
    default=None,
    help="A clone of calvin_env: playtable in CALVIN's scenes.",
)
@click.option(
    "--calvin-python",
    type=PLACE_TEXT,
    metavar="PATH",
    default=None,
    help="Interpreter that imports calvin_env [default: BATON_CALVIN_PYTHON].",
)
@click.option(
    "--renderer",
    type=click.Choice(CHOICES),
    default=AUTO,
    show_default=True,
    help="auto: EGL for CALVIN's scenes where it works here, else tiny.",
)
@click.option(
    "--instructions",
    type=PLACE_TEXT,
    metavar="YAML",
    default=None,
    help="The phrase of each task, in CALVIN's form.",
)
@click.option("--simulators", type=SIMULATORS, default=8, show_default=True, help="Driven at a time.")
@click.option("--parallel", is_flag=True, help="Each simulator in a process of its own.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Rows of a forward pass.")
@precision_option
@threads_option
@detector_option
@click.option("--chunk-steps", type=click.IntRange(1, MOST_CHUNK_STEPS), default=CHUNK_STEPS, show_default=True,
              help="Actions carried out per answer of a policy server.")  # fmt: skip
@click.option("--server-actions", type=click.Choice(ACTIONS), default=RELATIVE, show_default=True,
              help="What a policy server answers: CALVIN's relative actions, or absolute poses.")  # fmt: skip
@click.option(
    "--server-timeout",
    type=Seconds(0, least_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="After which one of 20 tries to ask a policy server is given up.",
)
@click.option(
    "--statistics",
    metavar="NAME",
    default=None,
    help="Data set whose units an OpenVLA's actions have [default: its only one].",
)
@crop_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random actions.")
@click.option("--videos", type=PLACE_TEXT, metavar="DIR", default=None, help="Films of failed subtasks.")
@click.option("--attention", is_flag=True, help="Show in the films where the model looked.")
@click.option(
    "--out",
    type=PLACE_TEXT,
    metavar="FILE",
    default=None,
    help="Results as they come; the same command goes on.",
)
@click.option(
    "--replay",
    type=Folder("dataset"),
    metavar="DIR",
    default=None,
    help="Play DIR's demonstrations open loop instead.",
)
@click.option(
    "--split", type=click.Choice(["training", "validation"]), default="validation", show_default=True
)
@click.option(
    "--limit", type=click.IntRange(1), default=None, help="Only so many demonstrations of --replay."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context, words: tuple[str, ...], described: str | None, home_path: str | None,
    replay: Path | None, split: str, limit: int | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    from tasks.fixed_state import FixedState

    checkpoint = " ".join(words) or None
    _check_use(context, checkpoint, replay)
    if replay is not None:
        from commands.replay import replay_and_print

        FixedState().establish()

        replay_and_print(replay, split, limit, as_json, options)
        return
    _check_policy(context, checkpoint, described)
    _check_against(context, options)
    _check_films(options)
    home, found = resolve_home(context, home_path), None
    if checkpoint is not None and is_run(checkpoint):
        from commands.named_checkpoint import find_run

        found = find_run(home, checkpoint)
        options |= as_its_ablation(context, checkpoint, found)
    protocol = protocol_named(options["protocol"])
    if options["official_compat"]:
        protocol = protocol.compatible()
    sequences, listed = sequences_of(protocol, options)
    of_list = protocol.name if options["sequences_file"] is None else "a file's sequences"
    if options.get("chains") is not None:
        of_list = "the ablation's"
    if described is not None:
        from commands.described_policy import policy_described

        named = policy_described(described, options["threads"])
    else:
        named = policy_named(home, str(checkpoint), options, found)
    FixedState().establish(options["threads"])
    if options["attention"]:
        _check_attention(named.policy)
    renderer = chosen_renderer(options["renderer"], named.drawn_by or usual_renderer(options))
    if options["against"] is not None:
        from commands.evaluate_against import evaluate_and_print

        other = policy_named(home, options["against"], options)
        evaluate_and_print(named, other, listed, renderer, sequences, of_list, options, as_json)
        return
    from tasks.evaluate.alone import evaluate_alone
    from tasks.evaluate.chains import ChainsSpec
    from views.live_estimate import live_estimate

    document = evaluate_alone(
        named.policy,
        ChainsSpec(**listed, renderer=renderer),
        sequences,
        {"policy": named.name, **named.about, "protocol": of_list,
         "official_compat": protocol.official_compat},
        {**named.told, "needs_images": named.policy.needs_images, "frames_renderer": named.drawn_by,
         "frames_basis": named.drawn_basis},
        live_estimate,
        official_compat=protocol.official_compat,
        out=_path(options["out"]),
        films=_path(options["videos"]),
        show_attention=options["attention"],
    )  # fmt: skip
    if as_json:
        say(json.dumps(document))
    else:
        from commands.evaluation_table import print_evaluation

        print_evaluation(document)


#: What `--replay` reads beside the dataset; everything else is of an evaluation.
_OF_BOTH = frozenset({"home_path", "as_json", "simulator", "scene", "assets", "calvin_python", "renderer"})
_OF_REPLAY = frozenset({"split", "limit"})
#: What a policy that is described says itself.
_OF_POLICY = frozenset(
    {
        "seed",
        "batch",
        "precision",
        "detector",
        "chunk_steps",
        "server_actions",
        "server_timeout",
        "statistics",
        "center_crop",
    }
)


def _check_use(context: click.Context, checkpoint: str | None, replay: Path | None) -> None:
    """Raises InvalidInput for what was given and would not be heeded."""
    if replay is not None and checkpoint is not None:
        raise InvalidInput(
            f"--replay plays a dataset's own demonstrations; leave out CHECKPOINT ({checkpoint})"
        )
    for parameter in context.command.params:
        name = str(parameter.name)
        if not isinstance(parameter, click.Option) or name in _OF_BOTH or name == "replay":
            continue
        given = context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if given and (replay is not None) != (name in _OF_REPLAY):
            how = (
                "is not heeded by --replay, which plays"
                if replay is not None
                else "is of --replay, which plays"
            )
            raise InvalidInput(f"{parameter.opts[0]} {how} a dataset's own demonstrations; leave it out")


def _check_policy(context: click.Context, checkpoint: str | None, described: str | None) -> None:
    """Raises InvalidInput unless one policy is named, and in one way."""
    if checkpoint is None and described is None:
        raise InvalidInput(
            "name a checkpoint, a policy server's address, expert or random; or give --policy, or --replay DIR"
        )
    if described is None:
        return
    if checkpoint is not None:
        raise InvalidInput(f"--policy says what is evaluated; leave out CHECKPOINT ({checkpoint})")
    for parameter in context.command.params:
        name = str(parameter.name)
        if (
            name in _OF_POLICY
            and context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        ):
            raise InvalidInput(
                f"{parameter.opts[0]} is not heeded beside --policy, which says such things itself"
            )


#: What films show, and how a released script counts, is of one policy.
_OF_ONE = ("videos", "attention", "official_compat")


def _check_against(context: click.Context, options: dict[str, Any]) -> None:
    """Raises InvalidInput for what --against does not heed, and for what is heeded by it alone."""
    given = {
        name
        for name in (*_OF_ONE, "level")
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
    }
    if options["against"] is None:
        if "level" in given:
            raise InvalidInput("--level is of --against; leave it out")
        return
    for name in _OF_ONE:
        if name in given:
            raise InvalidInput(f"--{name.replace('_', '-')} is not heeded by --against; leave it out")


def _check_films(options: dict[str, Any]) -> None:
    if options["attention"] and options["videos"] is None:
        raise InvalidInput("--attention is shown in films; name their folder with --videos")


def _check_attention(policy: Policy) -> None:
    is_reconvla = hasattr(policy, "predict")  # a model: what is none is refused without importing torch
    if is_reconvla:
        from policies.reconvla import ReconVLAPolicy

        is_reconvla = isinstance(policy, ReconVLAPolicy)
    if not is_reconvla:
        raise InvalidInput("--attention: only a ReconVLA checkpoint tells where it looks")


def _path(named: str | None) -> Path | None:
    return None if named is None else Path(named)
