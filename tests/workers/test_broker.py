"""The private Redis: its owner's only, nothing on disk, gone with the command."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
import redis

from errors import EnvironmentLacks
from settings.home import Home
from tests.support import REPOSITORY, await_value
from workers import broker
from workers.broker import PrivateRedis, connect, find_server, start_private


def test_it_answers_with_the_password_only(private_redis: PrivateRedis, home: Home) -> None:
    with connect(private_redis.url) as client:
        assert client.ping()
    with (
        redis.Redis(unix_socket_path=str(home.run / "redis.sock")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_it_listens_for_its_owner_only_and_on_no_port(private_redis: PrivateRedis, home: Home) -> None:
    assert stat.S_IMODE((home.run / "redis.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((home.run / "redis.password").stat().st_mode) == 0o600
    process = psutil.Process(private_redis.process.pid)
    assert [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
    password = (home.run / "redis.password").read_text()
    assert not any(password in argument for argument in process.cmdline())


def test_it_keeps_nothing_on_disk_and_evicts_nothing(private_redis: PrivateRedis, home: Home) -> None:
    with connect(private_redis.url) as client:
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_the_password_stays_the_same_for_a_home(home: Home) -> None:
    assert broker.private_url(home) == broker.private_url(home)


def test_it_starts_again_over_the_socket_of_a_killed_one(private_redis: PrivateRedis, home: Home) -> None:
    private_redis.process.kill()
    private_redis.process.wait()
    again = start_private(home, home.logs / "redis.log")
    try:
        with connect(again.url) as client:
            assert client.ping()
    finally:
        again.process.kill()
        again.process.wait()


def test_a_home_with_a_long_path_gets_its_socket_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr("tempfile.tempdir", None)
    home = Home(tmp_path / ("long" * 30))
    home.create()
    server = start_private(home, home.logs / "redis.log")
    try:
        with connect(server.url) as client:
            assert client.ping()
            place = Path(client.config_get("unixsocket")["unixsocket"])
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert not place.is_relative_to(home.root)
    finally:
        server.process.kill()
        server.process.wait()


def test_a_server_that_does_not_start_says_its_last_words(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\necho 'no such luck'\nexit 1\n")
    server.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_server() == server
    with pytest.raises(EnvironmentLacks, match="no such luck"):
        start_private(home, home.logs / "redis.log")


def test_where_there_is_no_server_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EnvironmentLacks, match=r"install redis-server.*--broker"):
        find_server()


def test_it_dies_with_the_process_that_started_it(home: Home) -> None:
    script = (
        "import sys, signal\n"
        "from pathlib import Path\n"
        "from settings.home import Home\n"
        "from workers.broker import start_private\n"
        "home = Home(Path(sys.argv[1]))\n"
        "print(start_private(home, home.logs / 'redis.log').process.pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home.root)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        assert server.is_running()
        parent.send_signal(signal.SIGKILL)
    await_value(lambda: _alive(server), lambda alive: not alive, "the end of the server")


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["my home", 'it\'s "100%41" \\ #;,?a=1', "données-实验", "x" * 150])
def test_it_answers_whatever_the_homes_path_is(name: str, tmp_path: Path) -> None:
    home = Home(tmp_path / name)
    home.create()
    server = start_private(home, home.logs / "redis.log")
    try:
        with connect(server.url) as client:
            assert client.config_get("dir")["dir"] == str(home.run)
    finally:
        server.process.kill()
        server.process.wait()


def test_a_socket_has_a_short_path_where_the_temporary_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 90)))
    home = Home(tmp_path / ("x" * 90))
    home.create()
    path = unquote(broker.private_url(home).partition("@")[2])
    assert len(path) <= 100
    Path(path).parent.rmdir()
