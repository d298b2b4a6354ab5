"""`upgrade`: plan again with this build what another build of Baton began."""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import asdict

import click

from commands.options import existing_home, home_option
from errors import InvalidInput
from settings.streams import say


@click.command("upgrade")
@home_option
@click.argument("ablation", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(context: click.Context, home_path: str | None, ablation: str | None, as_json: bool) -> int:
    """Do again what this build computes in another way, and all that follows from it; the rest is kept.

    Without a name: every ablation that this build cannot end. With one: also an ablation that has ended.
    """
    from db import queries
    from db.absent import no_ablation
    from db.migrate import open_state
    from experiments.planned_again import plan_again
    from views.attended import who_goes_on
    from workers.upgrades import outdated

    home = existing_home(context, home_path)
    database = open_state(home)
    names: list[str | int] = (
        [ablation] if ablation else [entry.ablation_id for entry in outdated(database, all_unfinished=True)]
    )
    done = []
    for name in names:
        row = queries.ablation_row(database, name)
        if row is None:
            raise InvalidInput(no_ablation(database, name))
        done.append(plan_again(database, row, shlex.join(sys.argv), time.time()))
        if not as_json:
            new = done[-1]
            say(
                f"{new.name}: {new.kept} jobs kept, {new.added} new"
                + (
                    ""
                    if new.ablation_id == row.id
                    else f"; ablation {new.ablation_id} takes the place of {row.id}"
                )
            )
    how = who_goes_on(database, home, "them", "run them with")
    database.close()
    if as_json:
        say(json.dumps([asdict(entry) for entry in done]))
    elif not done:
        say("nothing here was planned by another build")
    elif any(entry.added for entry in done):
        say(how)
    return 0
