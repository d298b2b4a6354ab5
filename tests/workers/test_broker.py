"""The private Redis: its owner's only, nothing on disk, gone with the command."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
import redis

from errors import EnvironmentLacks, InvalidInput
from settings.home import Home
from tests.support import REPOSITORY, await_value
from workers import broker, broker_watch
from workers.broker import PrivateRedis, connect, find_server, start_private
from workers.broker_watch import BrokerWatch


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


@pytest.mark.parametrize(
    "url",
    ["", "localhost:6379", "amqp://here", "unix:///tmp/x", "redis://here:port/0", "redis://here/queue", "redis:///0",
     "sentinel://a;sentinel://b", "redis+socket://"],
)  # fmt: skip
def test_what_is_no_broker_is_said(url: str) -> None:
    with pytest.raises(InvalidInput, match="is none: redis://HOST:PORT/NUMBER"):
        broker.ask(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@127.0.0.1:9/0",
        "rediss://:secret@127.0.0.1:9",
        "redis+socket://:secret@/tmp/none.sock",
    ],
)
def test_a_broker_that_is_not_there_is_said_without_its_password(url: str) -> None:
    with pytest.raises(EnvironmentLacks, match="does not answer") as told:
        broker.ask(url)
    assert "secret" not in str(told.value)


def test_what_is_no_redis_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(EnvironmentLacks, match="does not answer"):
            broker.ask(f"redis://127.0.0.1:{server.getsockname()[1]}/0")


@pytest.mark.parametrize(
    ("url", "path", "password"),
    [
        ("redis+socket:///tmp/a.sock", "/tmp/a.sock", None),
        ("redis+socket:///tmp/with%20space.sock?virtual_host=2", "/tmp/with space.sock", None),
        ("redis+socket://:secret@/tmp/a.sock", "/tmp/a.sock", "secret"),
    ],
)
def test_a_socket_is_asked_with_a_password_or_without(url: str, path: str, password: str | None) -> None:
    with connect(url) as client:
        asked = client.connection_pool.connection_kwargs
        assert (asked["path"], asked.get("password")) == (path, password)
        assert asked.get("db", 0) == (2 if "virtual_host" in url else 0)


def test_a_socket_with_a_database_is_asked(private_redis: PrivateRedis) -> None:
    broker.ask(private_redis.url + "?virtual_host=2")
    with connect(private_redis.url + "?virtual_host=2") as client:
        assert client.connection_pool.connection_kwargs["db"] == 2


def test_a_file_system_without_sockets_gets_it_elsewhere(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr("tempfile.tempdir", None)
    assert str(home.run) in broker.private_url(home) or len(str(home.run)) > 80
    monkeypatch.setattr(broker, "_holds_sockets", lambda _folder: False)
    assert "/tmp/baton-" in broker.private_url(home)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("maxmemory", 1, "maxmemory"), ("replicaof", "127.0.0.1 1", "read only replica")],
)
def test_a_broker_that_answers_and_takes_no_work_is_said(
    name: str, value: object, said: str, private_redis: PrivateRedis
) -> None:
    with connect(private_redis.url) as client:
        broker.ask(private_redis.url)
        assert client.keys() == []
        if name == "replicaof":
            client.replicaof(*str(value).split())
        else:
            client.config_set(name, value)
    with pytest.raises(EnvironmentLacks, match=f"takes no work: .*{said}"):
        broker.ask(private_redis.url)
    watch = BrokerWatch(private_redis.url, clock=itertools.count(0, 20).__next__)
    watch.ask()
    assert watch.fault is not None and said in watch.fault
    watch.stop()


@pytest.mark.parametrize("fault", ["stopped", "swept"])
def test_a_deaf_broker_is_noticed(
    fault: str, private_redis: PrivateRedis, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_watch, "_ASK_SECONDS", 0.02)
    monkeypatch.setattr(broker_watch, "SILENT_SECONDS", 0.3)
    watch = BrokerWatch(private_redis.url)
    await_value(lambda: watch.fault, lambda seen: seen is None, "an answer")
    if fault == "stopped":
        private_redis.process.send_signal(signal.SIGSTOP)
    else:
        (home.run / "redis.sock").unlink()
    await_value(lambda: watch.fault, lambda seen: seen is not None, "silence")
    watch.stop()
