"""`plan`: what submitting would do, before anything is written."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import click

from commands.configuration import Configuration, InOrder, configuration_options, told_how_it_goes_on
from commands.options import home_option, resolve_home
from errors import InvalidInput
from settings.streams import say, say_to_who_waits

if TYPE_CHECKING:
    from pydantic import BaseModel

    from settings.home import Home
    from views.plan import Asked


@click.command("plan", cls=InOrder)
@home_option
@configuration_options
@click.option(
    "--detect", type=float, metavar="DIFFERENCE", help="How many seeds find it; in points for 1/5 to 5/5."
)
@click.option("--power", type=float, default=0.8, show_default=True, help="Share of ablations that find it.")
@click.option("--measure", metavar="NAME", help="Of --detect: avg_len, success_1, ... [default: success_1].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    configuration: Configuration,
    detect: float | None,
    power: float,
    measure: str | None,
    as_json: bool,
) -> int:
    """Show what `submit-ablation` with the same options would do: rows and what differs in them, jobs that are there
    and new ones, what they would take, and what differences they would find. Nothing is written.
    """
    from views.plan import Asked

    if measure is not None and detect is None:
        raise InvalidInput("--measure is of --detect; name a difference too")
    asked = Asked(detect, measure, power)
    home = resolve_home(context, home_path)
    with told_how_it_goes_on(home):
        return print_plan(home, configuration.load(), as_json, asked)


def print_plan(home: Home, config: BaseModel, as_json: bool, asked: Asked | None = None) -> int:
    """Plan `config` for the home and show it. Raises ConfigError as submitting it would."""
    if not as_json:
        say_to_who_waits("planning ...")
    from commands.hub_room import told_room
    from db.migrate import look_at_state
    from experiments.proposal import propose
    from views.plan import plan_document, plan_lines

    if home.exists:
        with closing(look_at_state(home)) as database:
            proposal = propose(config, database)
            document = plan_document(proposal, database, asked)
    else:
        proposal = propose(config, None)
        document = plan_document(proposal, None, asked)
    if (room := told_room(home, proposal)) is not None:
        document["warnings"].append(room)
    if as_json:
        say(json.dumps(document))
        return 0
    for line in plan_lines(document):
        say(line)
    return 0
