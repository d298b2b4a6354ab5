"""docker-compose.yml: its services run as plain processes, each health check passes, and fails when it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settings.home import Home
from tests.commands.test_flower import port
from tests.commands.test_status import make_ablation
from tests.compose_file import assert_guarded, read_services
from tests.processes import environment, running
from tests.support import REPOSITORY, await_value
from tests.tensorboard import tensorboard_variables
from workers.broker import find_server

__all__ = ["port"]

FILE = REPOSITORY / "docker-compose.yml"
SECRETS = dict.fromkeys(("BATON_REDIS_PASSWORD", "BATON_FLOWER_PASSWORD"), "not-a-secret")
OURS = ("scheduler", "worker-cpu", "worker-gpu0", "worker-gpu1", "flower", "tensorboard", "metrics")
WITH_PORT = ("flower", "tensorboard", "metrics")


def services() -> dict[str, Any]:
    """The services with variables filled in as compose would."""
    return read_services(FILE, SECRETS, {})


def test_every_service_restarts_has_a_health_check_and_is_not_root() -> None:
    found = services()
    assert set(found) == {"redis", *OURS}
    assert_guarded(found)


def test_a_gpu_worker_has_its_card_and_no_other() -> None:
    for number in (0, 1):
        service = services()[f"worker-gpu{number}"]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["device_ids"] == [str(number)]
        assert service["environment"]["CUDA_VISIBLE_DEVICES"] == "0", "its only card is the first one it sees"
        assert service["profiles"], "not started where there is no GPU"
        assert service["command"] == services()["worker-gpu0"]["command"]


def test_no_secret_is_written_down() -> None:
    assert SECRETS["BATON_REDIS_PASSWORD"] in services()["scheduler"]["environment"]["REDIS_URL"]
    text = re.sub(r"#.*|\$\{[^}]*\}", "", FILE.read_text())
    assert not re.search(r"(password|secret)\w*: *\S", text, re.IGNORECASE)


@pytest.fixture(scope="module")
def compose() -> list[str]:
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and not subprocess.run([*words, "version"], capture_output=True).returncode:
            return words
    pytest.skip("docker compose is not installed")


def test_compose_accepts_the_file(compose: list[str]) -> None:
    words = [*compose, "--file", str(FILE), "config", "--quiet"]
    accepted = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **SECRETS})
    assert accepted.returncode == 0, accepted.stderr
    for name in SECRETS:
        kept = {key: value for key, value in SECRETS.items() if key != name}
        refused = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **kept})
        assert refused.returncode != 0 and name in refused.stderr


# --- services as plain processes --------------------------------------------------------------------------


def plain(words: list[str], port: int | None) -> list[str]:
    """A service's command as arguments of cli.py, on a port of the test's own."""
    assert words[:2] == ["python", "cli.py"]
    arguments = ["127.0.0.1" if word == "0.0.0.0" else word for word in words[2:]]
    return arguments if port is None else [*arguments, "--port", str(port)]


def healthy(service: dict[str, Any], variables: dict[str, str], port: int | None) -> bool:
    words = service["healthcheck"]["test"][1:]
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "cli.py"), *plain(words, port)],
        env=environment(**variables),
        capture_output=True,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.returncode == 0


def linked(name: str, home: Home) -> str | None:
    """The address of a window in what `status` says, as the scheduler's container would ask it."""
    words = [sys.executable, str(REPOSITORY / "cli.py"), "--home", str(home.root), "status", "--json"]
    said = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True).stdout
    address: str | None = json.loads(said)[name]
    return address


#: One of each kind is enough before every commit.
OFTEN = ("scheduler", "worker-cpu", "worker-gpu0", "flower")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in OFTEN else pytest.mark.trial)
        for name in OURS
        if name != "worker-gpu1"
    ],
)
def test_a_service_becomes_healthy_and_stops_being_so(
    name: str, home: Home, database: Any, redis_url: str, port: int, tmp_path: Path
) -> None:
    make_ablation(database)
    service = services()[name]
    own_port = port if name in WITH_PORT else None
    variables = {**service["environment"], "BATON_HOME": str(home.root), "REDIS_URL": redis_url}
    variables |= tensorboard_variables()
    if name == "worker-gpu0":
        variables["BATON_DEVICE"] = "cpu"  # without that GPU it would not begin (tests/tasks/test_devices.py)
    # A worker that is killed is missed after a lease; short ones make for a short test.
    variables |= {"BATON_QUEUE_LEASE_SECONDS": "4", "BATON_QUEUE_HEARTBEAT_SECONDS": "0.5"}
    assert not healthy(service, variables, own_port)
    with running(plain(service["command"], own_port), tmp_path / "log", **variables) as process:
        await_value(lambda: healthy(service, variables, own_port), bool, f"{name} is healthy")
        if name in WITH_PORT:
            published, _, _ = service["ports"][0].rpartition(":")
            assert f"{linked(name, home)}/".startswith(f"http://{published}/"), "people reach it there"
        process.terminate()
        process.wait(60)
    if name == "scheduler":
        pulse = next(home.run.glob("scheduler-*.pulse"))
        os.utime(pulse, (0, 0))
    await_value(lambda: not healthy(service, variables, own_port), bool, f"{name} is unhealthy")


def test_redis_with_its_command_and_health_check(port: int, tmp_path: Path) -> None:
    service = services()["redis"]
    import shlex

    command = shlex.split(service["command"])
    assert command[0] == "redis-server"
    server = find_server()
    client = server.with_name(server.name.replace("server", "cli"))
    if not client.exists():
        pytest.skip(f"no {client.name} beside {server}")
    variables = {**os.environ, **service["environment"]}

    def ping() -> str:
        words = service["healthcheck"]["test"][1:]
        assert words[0] == "redis-cli"
        done = subprocess.run(
            [client, "-p", str(port), *words[1:]], capture_output=True, text=True, env=variables
        )
        return done.stdout.strip()

    process = subprocess.Popen(
        [server, *command[1:], "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        await_value(ping, lambda answer: answer == "PONG", "Redis answers")
        variables["REDISCLI_AUTH"] = "wrong"
        assert "PONG" not in ping()
    finally:
        process.kill()
        process.wait()
