"""Flower: a window on what the broker carries. It lasts longer than its process and asks for a password."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from typing import Any

from celery import Celery

from db.identity import namespace
from db.migrate import look_at_state
from errors import ConfigError
from settings.bounded_server import BoundedServer, Bounds, own_names
from settings.home import Home
from settings.parent import die_with_parent
from settings.secret import secret_in
from settings.streams import say
from views.addresses import note_address
from views.flower_history import History
from workers.app import make_app
from workers.services import SERVICES, announcement, need_services

USER = "baton"

#: How often Flower writes down what it saw.
_SAVE_MILLISECONDS = 10_000

#: The arguments say arm, seed, steps or episode; the result says how the attempt ended.
_COLUMNS = "name,args,state,result,received,runtime,worker,uuid"

#: Flower's own environment variable; unlike an argument it is not in the process list.
_LOGIN_VARIABLE = "FLOWER_BASIC_AUTH"

#: A browser asks for some pages and pictures at once; a page waits for workers that do not answer for some seconds.
BOUNDS = Bounds(body_bytes=1 << 20, connections=128, request_seconds=30.0, connection_seconds=600.0)

PASSWORD_VARIABLE = "BATON_FLOWER_PASSWORD"


def password(home: Home) -> str:
    """What `BATON_FLOWER_PASSWORD` says, else the home's own: made on first use, readable by its owner only.

    Raises ConfigError for one with a comma, at which Flower would cut it.
    """
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        if "," in given:
            raise ConfigError(f"{PASSWORD_VARIABLE} must not hold a comma; Flower takes it for two passwords")
        return given
    return secret_in(home.run / "flower.password", lambda: secrets.token_urlsafe(18))


def flower_arguments(home: Home, address: str, port: int, kept: bool = True) -> list[str]:
    """Flower's command line. It holds no secret. kept: what it saw outlasts it."""
    memory = [
        "--persistent=True",
        f"--db={home.run / 'flower.db'}",
        f"--state_save_interval={_SAVE_MILLISECONDS}",
    ]
    return [
        "flower",
        f"--address={address}",
        f"--port={port}",
        *(memory if kept else ()),
        f"--tasks_columns={_COLUMNS}",
    ]


def flower_main(home: Home, broker_url: str, address: str, port: int, kept: bool = True) -> None:
    """Run Flower in this process until SIGTERM or SIGINT. Raises EnvironmentLacks when it cannot.

    kept: the home can be written, and holds what Flower saw.
    """
    die_with_parent()
    need_services({"flower": port}, address)
    os.environ[_LOGIN_VARIABLE] = f"{USER}:{password(home)}"
    # Flower reads the rest of its options from the process's own arguments.
    sys.argv = ["celery", *flower_arguments(home, address, port, kept)]
    say(announcement("flower", address, port), error=True)
    if kept:
        note_address(home, "flower", SERVICES["flower"].url(address, port))
    database = look_at_state(home)
    name = namespace(database)
    os.environ["TERM"] = "dumb"  # its log has no colours: they would be shown as texts
    _bound()
    app: Celery = make_app(broker_url, namespace=name)
    history = History(make_app(broker_url, namespace=name), database)
    threading.Thread(target=history.run, args=(threading.Event(),), name="history", daemon=True).start()
    app.start(sys.argv[1:])


def _bound() -> None:
    """Flower, which answers by any name and closes no connection that is idle, listens as our own servers do."""
    from flower import command
    from flower.app import Flower

    class Bounded(Flower):
        def listen(self, port: int, address: str = "", **options: Any) -> BoundedServer:
            """How Flower before 2.2 begins to listen."""
            server = BoundedServer(self, BOUNDS, own_names("flower", address), **options)
            server.listen(port, address)
            return server

        def start_http_server(self) -> int:
            """How Flower since 2.2 does."""
            options = {"ssl_options": self.ssl_options, "xheaders": self.options.xheaders}
            self.listen(self.options.port, self.options.address, **options)
            return int(self.options.port)

    command.Flower = Bounded
