"""Running a home in the foreground: processes, progress, and how it ends."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from commands.gpus import devices_of
from commands.preloaded import Preloaded
from commands.session_options import SessionOptions, broker_from_environment
from commands.stopping import caught
from db import garbage, missing, standings
from db.engine import Database
from db.silence import Hearing
from db.soundness import need_sound_state
from db.states import FINAL, QUEUED, RUNNING
from db.store import ArtifactStore
from errors import BatonError, StateDamaged, Stopped
from settings.clock import steady
from settings.duration import session_seconds
from settings.gang_address import gang_address
from settings.home import Home
from settings.queue import QueueSettings, queue_settings
from settings.streams import say
from settings.typed import typed
from views.notice import Notice
from views.screen import Screen
from views.status import status_document
from workers.broker import ask
from workers.services import announcement, need_services
from workers.session import SessionClock
from workers.space import Space
from workers.supervisor import Devices, Supervisor
from workers.upgrades import check_build

_LOOK_SECONDS = 0.3

#: How often it is looked whether another build submitted something here.
_BUILD_CHECK_SECONDS = 60.0

#: How often the state is looked through where processes keep dying.
_DAMAGE_CHECK_SECONDS = 10.0

#: Kept free before the moment that a notice names, to end in order; and what is tried even when there is no time.
_MACHINE_SECONDS, _LEAST_SECONDS = 3.0, 1.0

#: What prints a report: its figures and statistics take seconds to import.
_REPORT = "commands.show"

#: Services that a session starts are open to its own machine only.
SERVICE_ADDRESS = "127.0.0.1"


@dataclass
class Interrupts:
    """The first signal asks for an orderly end, SIGINT after it for an immediate one: whoever stops a machine may send
    several, and only people are in a hurry."""

    count: int = 0
    hurry: bool = False

    def note(self, number: int, _frame: FrameType | None) -> None:
        self.hurry = self.hurry or (number == signal.SIGINT and self.count > 0)
        self.count += 1


@dataclass(frozen=True)
class Stay:
    """One stay on this machine: what to run on, how long, and how its end is announced.

    limit_seconds: counted from `began` on, a reading of `settings.clock.steady`.
    """

    devices: Devices
    broker_url: str | None
    limit_seconds: float | None
    began: float
    notice_file: Path | None = None
    notice_url: str | None = None


def plan_session(options: SessionOptions, *, begins: bool = True) -> Stay:
    """The options of a command, checked, and the broker asked. begins: whether anything starts; where nothing does, a
    broker that only the environment names is left alone. Raises InvalidInput, EnvironmentLacks, ConfigError."""
    if begins:
        gang_address()  # each worker would end by what is wrong with it
    if options.session_limit is not None and options.session_limit.strip().isdigit():
        limit = options.session_limit.strip()
        say(
            f"--session-limit {limit} is {limit} seconds; {limit}m and {limit}h are minutes and hours",
            error=True,
        )
    broker = options.broker or (broker_from_environment() if begins else None)
    if broker is not None:
        ask(broker)
    return Stay(
        devices_of(options.gpus, options.cpus),
        broker,
        session_seconds(options.session_limit, time.time()),
        steady(),
        options.notice_file,
        options.notice_url,
    )


def run_home(
    home: Home,
    database: Database,
    stay: Stay,
    *,
    until_done: bool,
    services: Mapping[str, int] | None = None,
    quiet: bool = False,
) -> None:
    """Start what is missing and stay until everything has ended, or for ever.

    services: name -> port of what is served beside. Raises Stopped (exit 4) when interrupted, told to leave,
    or at the deadline with work left, StateDamaged once everybody has stopped, EnvironmentLacks when a service
    cannot be offered, and OtherBuild where an ablation was begun by another build.
    """
    services = services or {}
    check_build(home, database)
    if until_done and not standings.open_ablations(database):
        return
    need_services(services, SERVICE_ADDRESS, "--{name}-port")
    settings = queue_settings()
    missing.close_dead_sessions(database, time.time(), alone=home.state_in_home)
    garbage.clear_scratch(database, home, ArtifactStore(home))
    interrupts = Interrupts()
    try:
        with caught(interrupts.note):
            _stay(home, database, stay, settings, interrupts, until_done, services, quiet)
    except (OSError, BatonError) as error:
        if home.root.is_dir():
            raise
        raise Stopped(
            f"the home {home.root} was moved or removed while it ran, so everything here stopped; what was committed "
            "is in it: name the place where it is now with --home, or put it back"
        ) from error


def _stay(
    home: Home,
    database: Database,
    stay: Stay,
    settings: QueueSettings,
    interrupts: Interrupts,
    until_done: bool,
    services: Mapping[str, int],
    quiet: bool,
) -> None:
    session = SessionClock(
        database,
        shlex.join(sys.argv),
        stay.limit_seconds,
        time.time(),
        stay.began,
        tell_seconds=settings.heartbeat_seconds,
    )
    reason = "failed"
    notice = Notice(stay.notice_file, stay.notice_url)
    supervisor = Supervisor(
        home, database, settings, stay.devices, stay.broker_url, session.id, services, lambda: notice.troubles
    )
    try:
        look = partial(status_document, home, database, hearing=Hearing())
        with supervisor, Screen(look, quiet) as screen:
            for name, port in services.items():
                screen.say(announcement(name, SERVICE_ADDRESS, port))
            space = Space(database, home)
            reason = _watch(
                home, database, supervisor, screen, interrupts, notice, space, session, until_done
            )
            if reason != "done":
                screen.say(f"{reason}: what is under way is saved (Ctrl-C again does not wait for it)")
            departed = supervisor.stop(
                hurry=partial(_hurry, interrupts, session),
                seconds=leave_seconds(settings.notice_seconds, notice.left_seconds, session.left_seconds),
            )
            screen.show(last=True)
    finally:
        notice.stop()
        with suppress(StateDamaged):  # it is what ended the session, or whoever asks for the outcome is told
            session.close(reason, time.time())
            database.settle()
    if reason != "done":
        raise Stopped(f"stopped ({reason}): {departed.sentence}; {how_it_goes_on(home, database)}")


def how_it_goes_on(home: Home, database: Database) -> str:
    """The end of a sentence on a session that was stopped, which may have had nothing left to do."""
    with suppress(BatonError):  # whoever asks for the outcome is told
        states = {entry.state for entry in standings.standing(database).ablations}
        if states.isdisjoint(("running", "paused")):
            return "nothing is left to do"
    return f"go on with: {typed('up --until-done', home)}"


def leave_seconds(usual: float, notice_left: float | None, session_left: float | None) -> float:
    """How long to wait for what saves its steps: what a notice named, else what machines usually give; and no longer
    than the session has."""
    seconds = usual if notice_left is None else notice_left - _MACHINE_SECONDS
    return max(_LEAST_SECONDS, seconds if session_left is None else min(seconds, session_left))


def _hurry(interrupts: Interrupts, session: SessionClock) -> bool:
    session.tell()
    return interrupts.hurry


def _watch(
    home: Home,
    database: Database,
    supervisor: Supervisor,
    screen: Screen,
    interrupts: Interrupts,
    notice: Notice,
    space: Space,
    session: SessionClock,
    until_done: bool,
) -> str:
    hand_over = queue_settings().hand_over_seconds
    next_build_check = time.monotonic() + _BUILD_CHECK_SECONDS
    next_damage_check, restarts = time.monotonic(), supervisor.restarts
    report = Preloaded(_REPORT)
    while True:
        home.root.stat()  # raises where it was moved, before anything is made anew in its place
        supervisor.check()
        if supervisor.restarts != restarts and time.monotonic() >= next_damage_check:
            need_sound_state(home)  # a child may have come across damage where nobody here looks
            next_damage_check, restarts = time.monotonic() + _DAMAGE_CHECK_SECONDS, supervisor.restarts
        space.check()
        session.tell()
        if interrupts.count:
            return "interrupted"
        if notice.given is not None:
            return f"told to leave: {notice.given}"
        if session.left_seconds is not None and session.left_seconds <= hand_over:
            return "deadline"
        screen.show()
        if until_done:
            unfinished = standings.open_ablations(database)
            if not unfinished:
                report.wait()
                return "done"
            if (
                sum(
                    count for entry in unfinished for state, count in entry.jobs.items() if state not in FINAL
                )
                <= 1
            ):
                report.begin()  # beside the last job a core has nothing to do
            idle = not any(entry.jobs[QUEUED] or entry.jobs[RUNNING] for entry in unfinished)
            if idle and time.monotonic() >= next_build_check:
                # Another build may have submitted into this home meanwhile; nobody here would ever do that.
                check_build(home, database)
                next_build_check = time.monotonic() + _BUILD_CHECK_SECONDS
        time.sleep(_LOOK_SECONDS)
