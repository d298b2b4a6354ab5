"""`status`: what there is and how far it is."""

from __future__ import annotations

import json

import click

from commands.options import existing_home, home_option


@click.command("status")
@home_option
@click.argument("ablation", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(context: click.Context, home_path: str | None, ablation: str | None, as_json: bool) -> None:
    """Show ablations (all, or the one with this id or name), runs, workers and sessions."""
    from rich.console import Console
    from rich.table import Table

    from db import queries
    from db.migrate import open_state
    from errors import InvalidInput

    home = existing_home(context, home_path)
    database = open_state(home)
    document = {"home": str(home.root), **queries.status(database, ablation)}
    database.close()
    if ablation is not None and not document["ablations"]:
        raise InvalidInput(f"no ablation {ablation!r} in {home.root}")
    if as_json:
        print(json.dumps(document))
        return
    console = Console()
    for entry in document["ablations"]:
        counts = ", ".join(f"{count} {state}" for state, count in entry["jobs"].items() if count)
        console.print(f"[bold]{entry['name']}[/] (ablation {entry['id']}): {entry['state']}; jobs: {counts}")
        table = Table("run", "arm", "seed", "state", "steps", box=None, pad_edge=False)
        for run in entry["runs"]:
            steps = f"{run['step']}/{run['target_steps']}"
            table.add_row(str(run["id"]), run["arm"], str(run["seed"]), run["state"], steps)
        console.print(table)
    for worker in document["workers"]:
        age = worker["heartbeat_age_seconds"]
        console.print(
            f"worker {worker['name']} on {worker['device']}: {worker['job'] or worker['state']}, seen {age:.0f} s ago"
        )
    if not document["workers"]:
        console.print(f"no workers; start them with: cli.py --home {home.root} up", soft_wrap=True)
