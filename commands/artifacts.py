"""`artifacts`: what was made, whether it is sound, and what may go."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from commands.groups import Suggesting
from commands.options import existing_home, home_option, named_home
from commands.ranges import ROW_ID
from settings.shown import shown
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.queries import ListedArtifact
    from settings.home import Home


class _KindOfArtifact(click.ParamType[str]):
    """One that a kind of job makes. These are looked up when one is named: declarations take a while to import."""

    name = "kind"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from settings.suggestions import did_you_mean
        from tasks.registry import artifact_kinds

        if value not in (known := artifact_kinds()):
            self.fail(
                f"{shown(value)} is none; they are: {', '.join(known)}{did_you_mean(value, known)}",
                param,
                ctx,
            )
        return value


@click.group("artifacts", cls=Suggesting, invoke_without_command=True)
@home_option
@click.option(
    "--kind", type=_KindOfArtifact(), default=None, help="Only this kind: checkpoint, evaluation, ..."
)
@click.option("--run", type=ROW_ID, default=None, help="Only what serves this run (see status).")
@click.option(
    "--final", "only_final", is_flag=True, help="Only what is kept: final weights, results and reports."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    kind: str | None,
    run: int | None,
    only_final: bool,
    as_json: bool,
) -> None:
    """List artifacts: digest, kind, step and path relative to the home."""
    from db import queries
    from db.migrate import look_at_state
    from db.named_jobs import own_names
    from db.rows import plain

    if context.invoked_subcommand is not None:
        context.obj = named_home(context, home_path)
        return
    database = look_at_state(existing_home(context, home_path))
    entries = queries.artifacts(database, kind, run)
    made_by = {} if as_json else own_names(database)
    database.close()
    if only_final:
        from workers.retention import retention

        on_the_way = retention().intermediate
        entries = [entry for entry in entries if entry.final and entry.kind not in on_the_way]
    if as_json:
        say(json.dumps([plain(entry) for entry in entries]))
        return
    entries = [replace(entry, job=_called(entry, made_by)) for entry in entries]
    lines = [
        f"{entry.sha256[:12]}  {entry.kind:<10}  {entry.bytes:>11}  {_mark(entry):<10}  "
        f"{entry.path}  ({entry.job}: {entry.name})"
        for entry in entries
    ]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    is_whole = columns is None or all(len(line) <= columns for line in lines)
    for line in lines if columns is None or is_whole else _narrow(entries, columns):
        say(line)
    if not is_whole:
        digest = entries[0].sha256
        say(f"the first lies in artifacts/{digest[:2]}/{digest[:12]}*; pipes and --json have whole paths")


def _called(entry: ListedArtifact, names: Mapping[int, str]) -> str:
    """Its job, with an ablation that asks for it where jobs of others have its label too."""
    name = names.get(entry.job_id, entry.job)
    return name or f"{entry.job} (job {entry.job_id})"


def _mark(entry: ListedArtifact) -> str:
    return "final" if entry.final else f"step {entry.step}"


def _narrow(entries: Sequence[ListedArtifact], columns: int) -> list[str]:
    """Lines without paths, in which what made a file gives way where the terminal has no room for all of it."""
    from rich.filesize import decimal

    rows = [(entry.sha256[:12], entry.kind, decimal(entry.bytes), _mark(entry)) for entry in entries]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for entry, (digest, kind, size, mark) in zip(entries, rows):
        about = f"{digest}  {kind:<{widths[1]}}  {size:>{widths[2]}}  {mark:<{widths[3]}}  "
        lines.append(cut_at_end(f"{about}{_made_by(entry.job, entry.name, columns - len(about))}", columns))
    return lines


def _made_by(job: str, name: str, room: int) -> str:
    """`train recon seed 0: weights` in so many letters: the job gives way first, and goes where nothing of it fits."""
    left = room - len(f": {name}")
    if len(job) <= left:
        return f"{job}: {name}"
    return f"{job[: left - 1]}…: {name}" if left >= 1 else cut_at_end(name, room)


def cut_at_end(text: str, most: int) -> str:
    """The text, or as much of it as fits with the sign that something is missing."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


@command.command("verify")
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify_command(context: click.Context, home_path: str | None, as_json: bool) -> int:
    """Hash everything the state points to. Exit code 1 when something is damaged or missing."""
    from db import verification
    from db.migrate import look_at_state
    from db.shared_store import open_store
    from views.bytes_bar import bytes_bar
    from workers.retention import retention

    home = existing_home(context, home_path)
    database = look_at_state(home, thorough=True)
    with bytes_bar("verifying") as on_bytes:
        checked = verification.verify(database, open_store(home, database), retention(), on_bytes)
    database.close()
    counts = Counter(entry.state for entry in checked)
    if as_json:
        states = {
            state: counts[state] for state in (verification.OK, *verification.BAD, verification.LEFT_BEHIND)
        }
        say(json.dumps({"checked": len(checked), **states, "artifacts": [asdict(e) for e in checked]}))
    else:
        for entry in checked:
            if entry.state in verification.BAD:
                redo = f"{entry.job} (job {entry.job_id}) makes it again from step {entry.redo_from}"
                say(f"{entry.state:<8}  {entry.path}  ({entry.job}: {entry.name}, step {entry.step}); {redo}")
        say(
            f"{len(checked)} artifacts: {counts[verification.OK]} ok, {counts[verification.DAMAGED]} damaged, "
            f"{counts[verification.MISSING]} missing, {counts[verification.LEFT_BEHIND]} left behind as nothing needs "
            "them"
        )
    return 1 if any(counts[state] for state in verification.BAD) else 0


@command.command("gc")
@home_option
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option(
    "--spent",
    is_flag=True,
    help="Also what only finished jobs have read, and cached gaze answers; made again when asked for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def gc_command(
    context: click.Context, home_path: str | None, dry_run: bool, spent: bool, as_json: bool
) -> None:
    """Free space while work goes on: superseded checkpoints and bytes that nothing points to."""
    from rich.filesize import decimal

    from db import garbage
    from db.migrate import open_state
    from workers.retention import retention

    home = existing_home(context, home_path)
    database = open_state(home, thorough=True)
    found = garbage.collect(database, home, retention(), time.time(), spent=spent, dry_run=dry_run)
    database.close()
    answers = _forget_answers(home, dry_run) if spent else 0
    if as_json:
        say(json.dumps({"dry_run": dry_run, **asdict(found), "gaze_answers": answers}))
        return
    shared = f", {found.objects} shared objects ({decimal(found.object_bytes)})" if home.artifacts_url else ""
    say(
        f"{'would remove' if dry_run else 'removed'} {found.rows} superseded checkpoint files' rows, "
        f"{found.files} files ({decimal(found.bytes)}){shared} and {found.scratch_folders} folders of dead attempts"
        + (f", and {answers} cached gaze answers" if answers else "")
    )
    for name in found.foreign:
        say(f"left alone, as it is not Baton's: {name}")


@command.command("adopt")
@home_option
@click.pass_context
def adopt_command(context: click.Context, home_path: str | None) -> None:
    """Say that the files here belong to this state, after an older copy of it was put back. Removes nothing."""
    from db import ownership
    from db.migrate import open_state
    from db.shared_store import remote_of

    home = existing_home(context, home_path)
    database = open_state(home, thorough=True, check_owner=False)
    ownership.adopt(home, database, remote_of(home, database))
    database.close()
    say(
        f"the files in {home.artifacts} belong to {home.state_place}; what no row names goes with: "
        + typed("artifacts gc", home)
    )


def _forget_answers(home: Home, dry_run: bool) -> int:
    """Empty the cache of gaze detectors (`detectors.cache`). Returns how many answers went, or would."""
    from detectors.cache import FILE_NAME, FinderCache

    file = home.cache / FILE_NAME
    if not file.exists():
        return 0
    cache = FinderCache(file)
    try:
        return len(cache) if dry_run else cache.clear()
    finally:
        cache.close()
