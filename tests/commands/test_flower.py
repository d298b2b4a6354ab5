"""A real Flower on a real Redis: it wants the password, lists tasks, and remembers them."""

from __future__ import annotations

import base64
import json
import socket
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

import cli
from db.engine import Database
from db.identity import namespace
from errors import ConfigError
from settings.home import Home
from tests.processes import running
from tests.support import await_value
from views.flower import USER, flower_arguments, password
from workers.app import make_app

TASK = "job-7-attempt-1"


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def status(port: int, secret: str | None, host: str | None = None) -> tuple[int, Any]:
    """HTTP status and JSON of /api/tasks; status 0 while nothing listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/tasks")
    if host is not None:
        request.add_header("Host", host)
    if secret is not None:
        token = base64.b64encode(f"{USER}:{secret}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def await_flower(port: int) -> None:
    await_value(lambda: status(port, None)[0], lambda code: code != 0, "Flower listens")


def emit_task(redis_url: str, database: Database) -> None:
    """What a worker says when it receives a training slice."""
    app = make_app(redis_url, namespace=namespace(database))
    with app.events.default_dispatcher(hostname="worker@here") as dispatcher:
        dispatcher.send("task-received", uuid=TASK, name="baton.train", retries=0, eta=None, expires=None,
                        args="(baseline seed 0, steps 0-20)", kwargs="{}", timestamp=time.time())  # fmt: skip


def test_flower_wants_the_password_lists_tasks_and_remembers_them(
    home: Home, database: Database, redis_url: str, port: int, tmp_path: Path
) -> None:
    secret = password(home)
    arguments = ["--home", str(home.root), "flower", "--port", str(port), "--broker", redis_url]
    log = tmp_path / "flower.log"
    with running(arguments, log) as flower:
        await_flower(port)
        assert status(port, None)[0] == 401
        assert status(port, "wrong")[0] == 401
        assert status(port, secret, "evil.example")[0] == 421, "not even who knows the password"
        assert status(port, secret) == (200, {})

        def seen() -> Any:
            emit_task(redis_url, database)
            return status(port, secret)[1]

        task = await_value(seen, lambda tasks: TASK in (tasks or {}), "the task is listed")[TASK]
        assert task["name"] == "baton.train"
        assert task["args"] == "(baseline seed 0, steps 0-20)"
        assert [c.laddr.ip for c in flower.net_connections() if c.status == psutil.CONN_LISTEN] == [
            "127.0.0.1"
        ]
        assert not any(secret in word for word in flower.cmdline())
        flower.terminate()
        flower.wait(300)
    assert secret not in log.read_text()
    with running(arguments, log):
        await_flower(port)
        assert TASK in status(port, secret)[1]


def test_the_password_is_made_once_and_its_owners_only(home: Home) -> None:
    first = password(home)
    assert len(first) >= 20
    assert password(home) == first
    assert stat.S_IMODE((home.run / "flower.password").stat().st_mode) == 0o600
    assert not any(first in argument for argument in flower_arguments(home, "127.0.0.1", 5555))


def test_the_password_may_come_from_the_environment(
    home: Home, database: Database, redis_url: str, port: int, tmp_path: Path
) -> None:
    given = "not a secret: 7%"
    arguments = ["--home", str(home.root), "flower", "--port", str(port), "--broker", redis_url]
    with running(arguments, tmp_path / "log", BATON_FLOWER_PASSWORD=given) as flower:
        await_flower(port)
        assert status(port, "wrong")[0] == 401
        assert status(port, given) == (200, {})
        assert not any(given in word for word in flower.cmdline())
    assert not (home.run / "flower.password").exists()


def test_a_password_that_flower_would_cut_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_FLOWER_PASSWORD", "one,two")
    with pytest.raises(ConfigError, match=r"^BATON_FLOWER_PASSWORD must not hold a comma"):
        password(home)


def test_a_home_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--home", str(tmp_path / "none"), "flower"]) == 2
    assert "no Baton home" in capsys.readouterr().err
