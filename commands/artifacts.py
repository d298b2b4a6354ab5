"""`artifacts`: what was made."""

from __future__ import annotations

import json

import click

from commands.options import existing_home, home_option

KINDS = ("episode", "gaze", "index", "checkpoint", "evaluation", "attention", "report")


@click.command("artifacts")
@home_option
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only this kind.")
@click.option("--run", type=int, default=None, help="Only what serves this run (see status).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context, home_path: str | None, kind: str | None, run: int | None, as_json: bool
) -> None:
    """List artifacts: digest, kind, step and path relative to the home."""
    from db import queries
    from db.migrate import open_state

    database = open_state(existing_home(context, home_path))
    entries = queries.artifacts(database, kind, run)
    database.close()
    if as_json:
        print(json.dumps(entries))
        return
    for entry in entries:
        mark = "final" if entry["final"] else f"step {entry['step']}"
        print(f"{entry['sha256'][:12]}  {entry['kind']:<10}  {entry['bytes']:>11}  {mark:<10}  "
              f"{entry['path']}  ({entry['job']}: {entry['name']})")  # fmt: skip
