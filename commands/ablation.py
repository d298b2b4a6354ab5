"""`ablation`: one of several in a home: call it otherwise, remove it, or drop one of its rows."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from commands.groups import Suggesting
from commands.one_ablation import one_ablation
from commands.options import existing_home, home_option, named_home
from errors import ConfigError, IllegalMove, InvalidInput, StoreBusy
from settings.shown import shown
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from db.engine import Database
    from db.garbage import Collected
    from db.removal import Part, Removal
    from db.rows import AblationRow
    from settings.home import Home

#: For a gap between publications, in which files are removed.
WAIT_SECONDS = 60.0


@click.group("ablation", cls=Suggesting)
@home_option
@click.pass_context
def command(context: click.Context, home_path: str | None) -> None:
    """Rename or remove one of a home's ablations, named by its id or name in `status`; or drop one of its rows."""
    context.obj = named_home(context, home_path)


@command.command("rename")
@home_option
@click.argument("ablation")
@click.argument("new")
@click.pass_context
def rename_command(context: click.Context, home_path: str | None, ablation: str, new: str) -> None:
    """Call an ablation NEW. Submitting its settings goes on with it, under NEW or the name before."""
    from db import naming
    from db.migrate import open_state
    from settings.names import tidy

    new = tidy(new)
    with closing(open_state(existing_home(context, home_path))) as database:
        row = one_ablation(database, ablation)
        _check_name(row, new)
        try:
            before = naming.set_name(database, row.id, new, time.time())
        except IllegalMove as error:
            raise InvalidInput(str(error)) from None
    say(f"ablation {row.id}, which was called {before}, is called {new}")


@command.command("remove")
@home_option
@click.argument("ablation")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; needs --yes.")
@click.pass_context
def remove_command(
    context: click.Context, home_path: str | None, ablation: str, yes: bool, as_json: bool
) -> None:
    """Remove an ablation for good: its runs, jobs and their figures, and the bytes that nothing else needs.

    What other ablations ask for too stays, and so do its files in `reports/` and `logs/`.
    """
    from db import removal
    from db.migrate import open_state
    from db.shared_store import open_store

    home = existing_home(context, home_path)
    with closing(open_state(home, thorough=True)) as database:
        row = one_ablation(database, ablation)
        store = open_store(home, database)
        try:
            seen = removal.look(database, row.id)
            if not yes and (as_json or not sys.stdin.isatty()):
                raise InvalidInput("nobody can be asked here whether to remove it; say so with --yes")
            gone = store.absent(seen.goes.files)
            say(_told(seen, seen.goes.bytes - sum(map(seen.goes.files.__getitem__, gone))), error=as_json)
            if not yes:
                click.confirm("Remove it?", abort=True)
            removed = removal.remove(database, home, store.remote, row.id, time.time())
        except IllegalMove as error:
            raise InvalidInput(str(error)) from None
        freed = _free(home, database, removed.goes)
    if as_json:
        say(json.dumps(_document(removed, freed)))
        return
    and_files = "" if freed is None else f", and {_freed(freed, home.artifacts_url is not None)}"
    say(f"removed ablation {row.id} ({row.name}){and_files}")


@command.command("drop")
@home_option
@click.argument("ablation")
@click.argument("arm")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def drop_command(context: click.Context, home_path: str | None, ablation: str, arm: str, yes: bool) -> None:
    """Drop the row ARM of an ablation for good: its runs, and the jobs and bytes that nothing else needs.

    The report is made anew without it, by the next `up`.
    """
    from db.migrate import open_state
    from db.shared_store import open_store
    from experiments.arm_dropped import arm_named, drop, plan_without
    from views.attended import who_goes_on

    home = existing_home(context, home_path)
    with closing(open_state(home, thorough=True)) as database:
        row = one_ablation(database, ablation)
        arm = arm_named(row, arm)  # as it is told of below
        plan_without(database, row, arm)
        if not yes and not sys.stdin.isatty():
            raise InvalidInput("nobody can be asked here whether to drop it; say so with --yes")
        if not yes:
            click.confirm(f"Drop {shown(arm)} of ablation {row.id} ({row.name}) for good?", abort=True)
        try:
            gone = drop(database, home, open_store(home, database).remote, row, arm, time.time())
        except IllegalMove as error:
            raise InvalidInput(str(error)) from None
        freed = _free(home, database, gone)
        how = who_goes_on(database, home, "it", "it is made by")
    and_files = "" if freed is None else f", and {_freed(freed, home.artifacts_url is not None)}"
    say(f"dropped {shown(arm)} of ablation {row.id} ({row.name}): {_jobs(gone)}{and_files}")
    say(f"its report is to be made without it; {how}")


@command.command("code")
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def code_command(context: click.Context, home_path: str | None, as_json: bool) -> None:
    """Show the source of own classes that ablations of this home name, with its digest; nothing of it is run."""
    from db import code
    from db.migrate import look_at_state

    with closing(look_at_state(existing_home(context, home_path))) as database:
        held = code.held(database)
    if as_json:
        say(json.dumps([{"digest": one.digest, "allowed": one.allowed, "files": one.files} for one in held]))
        return
    for one in held:
        for path, text in one.files.items():
            allowed = "runs here" if one.allowed else "does not run here before it is allowed"
            say(f"# {shown(path)} of {one.digest}, which {allowed}")
            for line in _lines(str(text)):
                say(line)
    if not held:
        say("no ablation of this home names a class of somebody's own")


def _lines(source: str) -> list[str]:
    """As Python parts them."""
    return re.split("\r\n|\r|\n", source.removesuffix("\n"))


def _check_name(row: AblationRow, name: str) -> None:
    """Raises ConfigError for a name that settings could not have."""
    from pydantic import ValidationError

    from experiments.registry import experiment_of

    try:
        experiment_of(row.config).config_class.model_validate({**row.config, "name": name})
    except ValidationError as error:
        # What else of the settings means nothing to this build is no matter of a name.
        for wrong in error.errors(include_url=False):
            if wrong["loc"] == ("name",):
                said = str(wrong["msg"]).removeprefix("Value error, ")
                raise ConfigError(f"ablation rename: NEW, {shown(name)}: {said}") from None


def _free(home: Home, database: Database, gone: Part) -> Collected | None:
    """Remove the files of what is no more; None, and a sentence, where they can only go later."""
    from db import garbage

    try:
        paths = gone.files.keys()
        return garbage.collect_files(database, home, paths, time.time(), wait_seconds=WAIT_SECONDS)
    except StoreBusy as error:
        say(f"warning: {error}: {typed('artifacts gc', home)} then removes the files", error=True)
        return None


def _told(seen: Removal, size: int) -> str:
    """What goes and what stays. size: bytes of what goes that are there."""
    from rich.filesize import decimal

    goes, stays = seen.goes, seen.stays
    sentence = (
        f"ablation {seen.ablation_id} ({seen.name}): {_jobs(goes)} and {goes.artifacts} artifacts go, "
        f"{decimal(size)}; "
    )
    if not stays.jobs:
        return f"{sentence}nothing of it stays"
    others = ", ".join(f"{number} ({name})" for number, name in seen.others)
    why = f"ablation {others} asks" if len(seen.others) == 1 else f"ablations {others} ask"
    reason = f"{why} for them too" if seen.others else "other jobs need them"
    return (
        f"{sentence}{_jobs(stays)} and {stays.artifacts} artifacts stay, {decimal(stays.bytes)}, as {reason}"
    )


def _jobs(part: Part) -> str:
    return f"{len(part.jobs)} job{'' if len(part.jobs) == 1 else 's'}"


def _freed(found: Collected, shared: bool) -> str:
    from rich.filesize import decimal

    objects = f" and {found.objects} shared objects ({decimal(found.object_bytes)})" if shared else ""
    return f"{found.files} files ({decimal(found.bytes)}){objects}"


def _document(removed: Removal, freed: Collected | None) -> dict[str, object]:
    """files and those after it: what was freed at once; None where that is left to `artifacts gc`."""

    def counted(part: Part) -> dict[str, int]:
        return {"jobs": len(part.jobs), "artifacts": part.artifacts, "bytes": part.bytes}

    names = ("files", "bytes", "objects", "object_bytes")
    return {
        "ablation": removed.ablation_id,
        "name": removed.name,
        "removed": counted(removed.goes),
        "kept": {**counted(removed.stays), "ablations": [number for number, _ in removed.others]},
        "freed": None if freed is None else {name: getattr(freed, name) for name in names},
    }
