"""`bundle`: carry a home to another machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.groups import Suggesting
from commands.options import existing_home, home_option, named_home, resolve_home
from commands.place_type import PLACE, PLACE_TEXT, NewFile
from hub.names import is_hub_name
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from settings.home import Home


@click.group("bundle", cls=Suggesting)
@home_option
@click.pass_context
def command(context: click.Context, home_path: str | None) -> None:
    """Carry a home to another machine, path or user in one file."""
    context.obj = named_home(context, home_path)


@command.command("export")
@home_option
@click.argument("file", type=NewFile("home.bundle"))
@click.option(
    "--since",
    type=PLACE_TEXT,
    default=None,
    metavar="FILE|last",
    help="Leave out what this earlier bundle brought.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def export_command(
    context: click.Context, home_path: str | None, file: Path, since: str | None, as_json: bool
) -> None:
    """Write the state and every artifact that is still needed into FILE, while work goes on."""
    from rich.filesize import decimal

    from db import queries
    from db.bundle.export import export
    from db.migrate import look_at_state
    from experiments.foreign import reaching_out
    from hub.copies import FOLDER_VARIABLE, hub_folder
    from views.bytes_bar import bytes_bar
    from workers.retention import retention

    home = existing_home(context, home_path)
    database = look_at_state(home, thorough=True, hold_if_free=True)
    with bytes_bar("exporting") as on_bytes:
        made = export(database, home, retention(), file, since, time.time(), on_bytes)
    rows = {name for ablation in queries.ablation_rows(database) for name in reaching_out(ablation.config)}
    on_hub = {name for job in queries.unfinished_jobs(database) for name in _hub_names(job.spec)}
    database.close()
    if rows:
        say(
            f"warning: arms {', '.join(sorted(rows))}: their policies are asked over a network, or lie in a folder; "
            "import the bundle with --policies",
            error=True,
        )
    if on_hub:
        say(
            f"warning: what was fetched of {', '.join(sorted(on_hub))} lies in {hub_folder()} and not in the bundle; "
            f"carry that folder too, and name it in {FOLDER_VARIABLE}, or it is fetched again",
            error=True,
        )
    for path in made.absent:
        say(
            f"warning: {path} is lost or damaged; its job makes it again where the bundle goes",
            error=True,
        )
    if as_json:
        say(json.dumps({"file": str(file), **asdict(made)}))
        return
    before = f", and {made.earlier} that bundle {made.since[:8]} brought" if made.since else ""
    say(f"{file}: bundle {made.key[:8]}, {decimal(made.bytes)}: the state and {made.files} artifacts{before}")
    if not made.recorded:
        say("this home can only be read, so it does not know of the bundle: --since cannot name it later")
    if made.running:
        running = (
            "1 running job starts again" if made.running == 1 else f"{made.running} running jobs start again"
        )
        say(
            f"{running} from the last checkpoint where it goes; this home and "
            "that one cannot both go on: what the other does cannot come back here once this one did more"
        )


def _hub_names(value: object) -> Iterator[str]:
    """Names on the Hub anywhere in a job's parameters."""
    if isinstance(value, str):
        if is_hub_name(value):
            yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _hub_names(item)


def _warn_of_names(home: Home) -> None:
    """A bundle brings its ablations as they are called, also by what no ablation is called here."""
    from db import naming, queries
    from db.migrate import look_at_state

    with closing(look_at_state(home)) as database:
        rows = queries.ablation_rows(database)
    for row in rows:
        if wrong := naming.means_another(rows, row.name, row.id):
            rename = typed(f"ablation rename {row.id} NEW", home)
            say(f"warning: ablation {row.id}: {wrong}; call it otherwise: {rename}", error=True)


@command.command("import")
@home_option
@click.argument("file", type=PLACE)
@click.option(
    "--policies",
    is_flag=True,
    help="Of a bundle you trust: rows may ask servers, and read folders, that it names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def import_command(
    context: click.Context, home_path: str | None, file: Path, policies: bool, as_json: bool
) -> None:
    """Take the bundle FILE into an empty home, or one that has done nothing the bundle does not contain."""
    from rich.filesize import decimal

    from db.bundle.receive import receive
    from experiments.foreign import ForeignJobs
    from views.bytes_bar import bytes_bar

    home = resolve_home(context, home_path)
    with bytes_bar("importing") as on_bytes:
        taken = receive(home, file, time.time(), ForeignJobs(home.artifacts, policies), on_bytes)
    _warn_of_names(home)
    for program in taken.left_out:
        say(
            f"warning: the bundle names the program {program}, which was left out: where jobs need one, name it by "
            "BATON_CALVIN_PYTHON or BATON_GROUNDINGDINO_PYTHON",
            error=True,
        )
    if as_json:
        say(json.dumps({"home": str(home.root), **asdict(taken)}))
    elif taken.already:
        say(f"{home.root} holds bundle {taken.key[:8]} already; nothing was changed")
    else:
        say(
            f"{home.root}: bundle {taken.key[:8]} imported, {taken.files} artifacts, {decimal(taken.bytes)}; "
            + _next(home)
        )


def _next(home: Home) -> str:
    """What to do with what came, the end of a sentence."""
    from db import standings
    from db.migrate import look_at_state

    with closing(look_at_state(home)) as database:
        found = standings.standing(database).ablations
    if any(entry.state == "running" for entry in found):
        return f"go on with: {typed('up --until-done', home)}"
    if paused := [entry.id for entry in found if entry.state == "paused"]:
        first = typed(f"unpause {paused[0]}", home)
        return f"it is paused; go on with: {first}, then {typed('up --until-done', home)}"
    return f"nothing in it is left to do; look at it with: {typed('status', home)}"
