"""Flower: a window on what the broker carries. It lasts longer than its process and asks for a password."""

from __future__ import annotations

import os
import secrets
import sys
import threading

from celery import Celery

from db.identity import namespace
from db.migrate import open_state
from errors import ConfigError
from settings.home import Home
from settings.secret import secret_in
from workers.addresses import note_address
from workers.app import make_app
from workers.flower_history import History
from workers.parent import die_with_parent
from workers.services import SERVICES, announcement, need_services

USER = "baton"

#: How often Flower writes down what it saw.
_SAVE_MILLISECONDS = 10_000

#: The arguments say arm, seed, steps or episode; the result says how the attempt ended.
_COLUMNS = "name,args,state,result,received,runtime,worker,uuid"

#: Flower's own environment variable; unlike an argument it is not in the process list.
_LOGIN_VARIABLE = "FLOWER_BASIC_AUTH"

_PASSWORD_VARIABLE = "BATON_FLOWER_PASSWORD"


def password(home: Home) -> str:
    """What `BATON_FLOWER_PASSWORD` says, else the home's own: made on first use, readable by its owner only.

    Raises ConfigError for one with a comma, at which Flower would cut it.
    """
    given = os.environ.get(_PASSWORD_VARIABLE)
    if given:
        if "," in given:
            raise ConfigError(
                f"{_PASSWORD_VARIABLE} must not hold a comma; Flower takes it for two passwords"
            )
        return given
    return secret_in(home.run / "flower.password", lambda: secrets.token_urlsafe(18))


def flower_arguments(home: Home, address: str, port: int) -> list[str]:
    """Flower's command line. It holds no secret."""
    return [
        "flower",
        f"--address={address}",
        f"--port={port}",
        "--persistent=True",
        f"--db={home.run / 'flower.db'}",
        f"--state_save_interval={_SAVE_MILLISECONDS}",
        f"--tasks_columns={_COLUMNS}",
    ]


def flower_main(home: Home, broker_url: str, address: str, port: int) -> None:
    """Run Flower in this process until SIGTERM or SIGINT. Raises EnvironmentLacks when it cannot."""
    die_with_parent()
    need_services({"flower": port}, address)
    os.environ[_LOGIN_VARIABLE] = f"{USER}:{password(home)}"
    # Flower reads the rest of its options from the process's own arguments.
    sys.argv = ["celery", *flower_arguments(home, address, port)]
    print(announcement("flower", address, port), file=sys.stderr, flush=True)
    note_address(home, "flower", SERVICES["flower"].url(address, port))
    database = open_state(home)
    name = namespace(database)
    app: Celery = make_app(broker_url, namespace=name)
    history = History(make_app(broker_url, namespace=name), database)
    threading.Thread(target=history.run, args=(threading.Event(),), name="history", daemon=True).start()
    app.start(sys.argv[1:])
