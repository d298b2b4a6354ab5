"""`logs`: the story of one job."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import click

from commands.options import existing_home, home_option
from settings.shown import moment, one_line
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from db.values import Progress

_LOOK_SECONDS = 0.5

#: The worker's own word is shown at most this often.
_LIVE_SECONDS = 5.0


@click.command("logs")
@home_option
@click.argument("job")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document (with --follow: one an entry)."
)
@click.pass_context
def command(context: click.Context, home_path: str | None, job: str, follow: bool, as_json: bool) -> None:
    """Show attempts, losses, events and printed lines of JOB: an id, a label (after its ablation's
    name or id, where several have it), or Flower's task id."""
    from db import progress
    from db.migrate import look_at_state
    from db.queries import find_jobs
    from db.states import FINAL
    from views.attended import is_nobody_there
    from views.job_story import Entry, doing_of, job_of, job_story

    home = existing_home(context, home_path)
    database = look_at_state(home)
    row = job_of(database, job)
    if as_json and not follow:
        entries = [entry.as_json() for entry in job_story(home, database, row.id)]
        about = {"job": row.id, "label": row.label, "state": row.state, "doing": doing_of(database, row)}
        say(json.dumps({**about, "entries": entries}))
        return
    if not as_json:
        doing = doing_of(database, row)
        say(f"{row.label} (job {row.id}): {doing}, step {row.step} of {row.target_steps}", now=True)
    if follow and row.state not in FINAL and is_nobody_there(database):
        go_on = typed("up --until-done", home)
        say(
            f"nobody works on it: no session runs, and there are no workers; start them with: {go_on}",
            error=True,
        )
    shown: set[Entry] = set()
    live = _Live(as_json)
    with suppress(KeyboardInterrupt) if follow else nullcontext():  # Ctrl-C is how one stops following
        while True:  # until nobody reads (`print`), at the latest
            ended = row.state in FINAL  # read before the story, so that nothing of the end is missed
            for entry in job_story(home, database, row.id):
                if entry not in shown:
                    shown.add(entry)
                    for line in (
                        [json.dumps(entry.as_json())]
                        if as_json
                        else _lines(entry.at, entry.source, entry.text)
                    ):
                        print(line, flush=True)
            if ended or not follow:
                break
            live.show(
                next((a.progress for a in progress.running_attempts(database) if a.job_id == row.id), None)
            )
            time.sleep(_LOOK_SECONDS)
            (row,) = find_jobs(database, str(row.id))
    database.close()


class _Live:
    """What the worker said last, before a checkpoint makes it a fact; a line now and then."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._last: Progress | None = None
        self._next = 0.0

    def show(self, progress: Progress | None) -> None:
        if self._quiet or not progress or progress == self._last or time.monotonic() < self._next:
            return
        self._last, self._next = progress, time.monotonic() + _LIVE_SECONDS
        values = "".join(f", {name} {value:.4g}" for name, value in progress.get("values", {}).items())
        text = progress.get("stage") or f"at step {progress['step']} of {progress['total']}{values}"
        for line in _lines(time.time(), "now", text):
            print(line, flush=True)


def _lines(at: float, source: str, text: str) -> list[str]:
    """The second line and those after it begin with blanks, so that none passes for another entry."""
    first, *rest = map(one_line, text.split("\n"))
    return [f"{moment(at)}  {source:<7}  {first}", *(f"{'':30}{line}" for line in rest)]
