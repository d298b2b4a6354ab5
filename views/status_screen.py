"""The picture of a home on a terminal: what `status` prints once and `status --watch` keeps current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from db.doing import INTERRUPTED
from settings.called import told_apart
from settings.home import Home
from settings.shown import moment, readable
from settings.typed import typed
from tasks.context import STEPS_PLAYED
from views.differences import sentence
from views.doing import as_left, counts_in_words, is_starting
from views.spans import span, time_left_text
from workers.services import SERVICES

#: From these widths on: the loss of the actions, all losses, and long bars.
_ACTION_WIDTH, _LOSSES_WIDTH, _LONG_BARS_WIDTH = 80, 120, 150
_SHORT_BAR, _LONG_BAR = 14, 40

#: Below this width what a run waits for is told by its first word.
_WHOLE_STATES_WIDTH = 100

_STATE_STYLES = {
    "succeeded": "green",
    "running": "bold",
    "failed": "bold red",
    "paused": "yellow",
    INTERRUPTED: "yellow",
}

#: Values of a progress that no column of losses shows.
_NO_LOSSES = frozenset({"total", STEPS_PLAYED})

#: However low the screen, this many runs and events are shown; and however high, no more events than these.
_LEAST_RUNS, _LEAST_EVENTS, _MOST_EVENTS = 3, 2, 8

#: Lines that runs and events do not get: headings and blank lines of an ablation, and of the rest.
_ABLATION_LINES, _OTHER_LINES = 5, 4


def status_screen(
    document: Mapping[str, Any], now: float, width: int, height: int | None = None, *, leaves: bool = False
) -> Group:
    """All of a status document as one renderable. `height`: lines there are; None for as many as needed.

    now: the time of day, in which ends are told. leaves: whether who shows it ends now, with workers that are gone on
    purpose and a sentence of its own on how to go on.
    """
    document = readable(document)
    workers = document["workers"]
    if leaves:
        document = as_left(document)
    sessions = [entry for entry in document["sessions"] if entry["lives"] is not False]
    ablations = [e for e in document["ablations"] if e["state"] == "running"] if height else None
    shown = ablations or document["ablations"][-1 if height else None :]
    services = _services(document)
    gangs = document.get("gangs", ())
    others = len(workers) + len(gangs) + len(sessions) + len(services) + sum(map(bool, map(_differs, shown)))
    most_runs, most_events = _room(height, len(shown), others)
    parts: list[RenderableType] = []
    for entry in shown:
        parts += [
            _heading(entry, bool(workers), leaves),
            *_differs(entry),
            _runs(entry["runs"], width, most_runs),
            Text(),
        ]
        if not height and (kept := [run for run in entry["runs"] if run.get("final_weights")]):
            parts += [_final_weights(kept), Text()]
    if workers:
        parts += [_workers(workers, width), *(Text(gang["sentence"]) for gang in gangs), Text()]
    elif not leaves and any(entry["state"] == "running" for entry in document["ablations"]):
        parts += [_no_workers(document["home"], sessions), Text()]
    parts += [_session(entry, now) for entry in sessions]
    parts += services
    parts += [Text(trouble, "bold red") for trouble in document.get("troubles", ())]
    events = document["events"][-most_events:] if most_events else document["events"]
    parts += [_event(event, width) for event in events]
    return Group(*parts)


def summary_lines(document: Mapping[str, Any], *, awaits: bool = False, leaves: bool = False) -> list[str]:
    """A line per open ablation, for pipes and logs, after what keeps them from going on.

    awaits: whether who shows it only looks on, and is told how to start workers where there are none. leaves: as
    `status_screen` has it.
    """
    open_ones = any(entry["state"] == "running" for entry in document["ablations"])
    lines = [f"trouble: {sentence}" for sentence in document.get("troubles", ()) if open_ones]
    lines += [gang["sentence"] for gang in document.get("gangs", ()) if open_ones and not gang["fits"]]
    names = told_apart((entry["id"], entry["name"]) for entry in document["ablations"])
    for entry in document["ablations"]:
        if entry["state"] == "running":
            counts = entry["jobs"]
            parts = [f"{counts['succeeded']}/{sum(counts.values())} jobs"]
            parts += [f"{counts['failed']} failed"] if counts["failed"] else []
            parts += [
                f"{run['arm']}/{run['seed']} {_step(run)}/{run['target_steps']}"
                for run in entry["runs"]
                if 0 < _step(run) < run["target_steps"]
            ]
            if document["workers"] and all(worker["job"] for worker in document["workers"]):
                parts += [words for words in (_doing(entry),) if words != "running"]
            left = _left(entry, bool(document["workers"]), leaves)
            parts.append("workers are starting" if is_starting(document) and left else left)
            lines.append(f"{names[entry['id']]}: {', '.join(filter(None, parts))}")
    if awaits and open_ones and not document["workers"]:
        lines.append(_no_workers(document["home"], document["sessions"]).plain)
    return lines


def _doing(entry: Mapping[str, Any]) -> str:
    """What is true of an ablation or a run; its state where that says it all."""
    state = str(entry["state"])
    return str(entry.get("doing", state)) if state == "running" else state


def _room(height: int | None, ablations: int, others: int) -> tuple[int | None, int | None]:
    """How many runs of an ablation and how many events fit; None for all."""
    if height is None:
        return None, None
    left = height - _ABLATION_LINES * ablations - others - _OTHER_LINES
    events = max(_LEAST_EVENTS, min(_MOST_EVENTS, left // 3))
    return max(_LEAST_RUNS, (left - events) // max(1, ablations)), events


def _heading(entry: Mapping[str, Any], workers: bool, leaves: bool) -> Text:
    counts = counts_in_words(entry["jobs"], entry.get("interrupted_jobs", 0))
    state = _doing(entry)
    text = Text.assemble(
        (entry["name"], "bold"),
        (f"  ablation {entry['id']}  ", "dim"),
        (state, _STATE_STYLES.get(state, "")),
        f"\njobs: {counts}",
    )
    left = _left(entry, workers, leaves)
    return text.append(f"\n{left}") if left else text


def _left(entry: Mapping[str, Any], workers: bool, leaves: bool) -> str:
    """Nothing where nobody works on it and nobody is about to."""
    return "" if leaves and not workers else time_left_text(entry["time_left"], workers)


def _differs(entry: Mapping[str, Any]) -> list[Text]:
    """One line, where there is more than one ablation."""
    found = entry.get("differs")
    if found is None:
        return []
    words = f"differs from ablation {found['from']} {sentence(found['settings'], found['more'])}"
    return [Text(words, no_wrap=True, overflow="ellipsis")]


def _runs(runs: Sequence[Mapping[str, Any]], width: int, most: int | None) -> RenderableType:
    shown = runs
    if most is not None and len(runs) > most:
        order = {"running": 0, "failed": 1}
        chosen = sorted(runs, key=lambda run: order.get(_doing(run), 2))[: most - 1]
        shown = [run for run in runs if run in chosen]
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("run", justify="right", no_wrap=True)
    table.add_column("arm", no_wrap=True)
    table.add_column("seed", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("", max_width=_SHORT_BAR if width < _LONG_BARS_WIDTH else _LONG_BAR)
    table.add_column("steps/s", justify="right", no_wrap=True)
    if width >= _LOSSES_WIDTH:
        table.add_column("losses", no_wrap=True, overflow="ellipsis", max_width=40)
    elif width >= _ACTION_WIDTH:
        table.add_column("action loss", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for run in shown:
        step, target = _step(run), run["target_steps"]
        rate = run.get("steps_per_second")
        state = _doing(run) if width >= _WHOLE_STATES_WIDTH else _doing(run).partition(" ")[0]
        table.add_row(
            str(run["id"]),
            run["arm"],
            str(run["seed"]),
            f"{step}/{target}",
            ProgressBar(total=target, completed=step, complete_style="cyan", finished_style="green"),
            "" if rate is None else f"{rate:.3g}",
            *_losses(run.get("values", {}), width),
            Text(state, _STATE_STYLES.get(state, "")),
        )
    if len(shown) == len(runs):
        return table
    return Group(table, Text(f"and {len(runs) - len(shown)} more runs", "dim"))


def _final_weights(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Where they lie in the home; the name of the file is their SHA-256."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=False)
    table.add_column("final weights", no_wrap=True)
    table.add_column("SHA-256", no_wrap=True)
    table.add_column("file in the home", overflow="fold")
    for run in runs:
        weights = run["final_weights"]
        table.add_row(f"{run['arm']} {run['seed']}", weights["sha256"][:12], weights["path"])
    return table


def _losses(values: Mapping[str, float], width: int) -> list[str]:
    """What the columns for losses hold at this width."""
    if width >= _LOSSES_WIDTH:
        return ["  ".join(f"{name} {value:.3f}" for name, value in values.items() if name not in _NO_LOSSES)]
    if width >= _ACTION_WIDTH:
        return [f"{values['action']:.3f}" if "action" in values else ""]
    return []


def _step(run: Mapping[str, Any]) -> int:
    return int(run.get("live_step", run["step"]))


def _workers(workers: Sequence[Mapping[str, Any]], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("worker", "device", "does", "seen"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if heading == "does" else None)
    is_elsewhere = len({worker["host"] for worker in workers}) > 1
    for worker in workers:
        progress = worker["progress"] or {}
        steps = f" {progress['step']}/{progress['total']}" if progress.get("total", 1) > 1 else ""
        steps += f", {progress['stage']}" if "stage" in progress else ""
        table.add_row(
            f"{worker['name']} on {worker['host']}" if is_elsewhere else worker["name"],
            worker["device"],
            f"{worker['job']}{steps}{_pace(progress)}" if worker["job"] else Text(_idle(worker), "dim"),
            Text(_seen(worker), "dim"),
        )
    return table


def _idle(worker: Mapping[str, Any]) -> str:
    wanted = worker.get("set_aside_for")
    return str(worker["state"]) if wanted is None else f"set aside for {wanted}"


def _pace(progress: Mapping[str, Any]) -> str:
    """Of what is fetched: bytes a second, and the time that the rest takes at that. Of what is played: steps."""
    values = progress.get("values") or {}
    if STEPS_PLAYED in values:
        return f", {values[STEPS_PLAYED]:.0f} steps played"
    if "mb_per_second" not in values:
        return ""
    left = values.get("seconds_left")
    return f", {values['mb_per_second']:.1f} MB/s" + ("" if left is None else f", {span(left)} left")


def _seen(worker: Mapping[str, Any]) -> str:
    """For how long it has said nothing, or what its own clock showed when it spoke last."""
    age = worker["heartbeat_age_seconds"]
    if age is None:
        return f"at {moment(worker['heartbeat_at'], '%H:%M:%S')} there"
    return f"{age:.0f} s ago"


def _no_workers(home: str, sessions: Sequence[Mapping[str, Any]]) -> Text:
    """What to do about it; nothing while a session of this machine is about to start them."""
    starting = next((entry["id"] for entry in sessions if entry["lives"]), None)
    if starting is not None:
        return Text(f"no workers yet: session {starting} starts them")
    up = typed("up --until-done", Home(Path(home)))
    if any(entry["lives"] is None for entry in sessions):  # who knows whether it still runs
        return Text(f"no workers; start them with: {up}")
    return Text(f"no session runs, and there are no workers; start them with: {up}")


def _session(entry: Mapping[str, Any], now: float) -> Text:
    """Of one that nobody here saw or heard: what it said last, at whatever time that was."""
    begun = f"session {entry['id']} on {entry['host']}"
    if entry["age_seconds"] is not None:
        begun += f" for {span(entry['age_seconds'])}"
    left = entry["left_seconds"]
    if entry["lives"] is None:
        had = "no deadline" if left is None else f"{span(left)} left"
        return Text(f"{begun} and with {had} when it spoke last; not seen from here")
    if left is None:
        return Text(f"{begun}, no deadline")
    style = "bold yellow" if left < 600 else ""
    ends = moment(now + left, "%H:%M")
    return Text.assemble(f"{begun}, ", (f"ends in {span(left)}", style), f" ({ends})")


def _services(document: Mapping[str, Any]) -> list[Text]:
    """A line for each that runs: what it is, and where."""
    return [
        Text.assemble((f"{service.title} ", "dim"), document[name])
        for name, service in SERVICES.items()
        if document[name]
    ]


def _event(event: Mapping[str, Any], width: int) -> Text:
    when = moment(event["at"], "%H:%M:%S")
    text = Text.assemble((f"{when}  ", "dim"), event["message"], no_wrap=True, overflow="ellipsis")
    text.truncate(width, overflow="ellipsis")
    return text
