"""docker-compose.cluster.yml: its services run as plain processes on a real PostgreSQL and S3."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from settings.home import Home
from tests.commands.test_flower import port
from tests.compose_file import assert_guarded, read_services
from tests.postgres import PostgresServer, find_binaries
from tests.processes import running
from tests.support import REPOSITORY, await_value
from tests.tensorboard import tensorboard_variables
from tests.test_compose import OURS, WITH_PORT, compose, healthy, plain
from tests.test_compose import services as services_of_one_machine

__all__ = ["compose", "port"]

FILE = REPOSITORY / "docker-compose.cluster.yml"
SECRETS = dict.fromkeys(
    ("BATON_REDIS_PASSWORD", "BATON_POSTGRES_PASSWORD", "BATON_S3_SECRET", "BATON_FLOWER_PASSWORD"),
    "notasecret",
)
SERVERS = ("redis", "postgres", "s3")


def services(**variables: str) -> dict[str, Any]:
    """The services with variables filled in as compose would."""
    return read_services(FILE, SECRETS, variables)


def test_every_service_restarts_has_a_health_check_and_is_not_root() -> None:
    found = services()
    assert set(found) == {*SERVERS, *OURS}
    assert_guarded(found)


def test_the_servers_open_to_the_network_only_where_it_is_asked_for() -> None:
    open_ones = services(BATON_LISTEN="10.0.0.5")
    for name in SERVERS:
        assert open_ones[name]["ports"][0].startswith("10.0.0.5:"), name
    for name in WITH_PORT:
        assert open_ones[name]["ports"][0].startswith("127.0.0.1:"), name


def test_another_machine_finds_the_head_by_its_address() -> None:
    environment = services(BATON_HEAD="10.0.0.5")["worker-gpu0"]["environment"]
    for name in ("BATON_STATE_URL", "REDIS_URL", "AWS_ENDPOINT_URL"):
        assert re.search(r"(@|//)10\.0\.0\.5:", environment[name]), name


def test_gpu_workers_windows_and_redis_are_those_of_one_machine() -> None:
    there, here = services_of_one_machine(), services()
    for name in WITH_PORT:
        for key in ("command", "ports", "healthcheck"):
            assert here[name][key] == there[name][key]
        address = f"BATON_{name.upper()}_URL"
        assert here[name]["environment"][address] == there[name]["environment"][address]
    for name in ("worker-gpu0", "worker-gpu1"):
        for key in ("command", "deploy", "profiles", "healthcheck"):
            assert here[name][key] == there[name][key]
        assert here[name]["environment"]["CUDA_VISIBLE_DEVICES"] == "0"
    assert here["redis"]["healthcheck"] == there["redis"]["healthcheck"]


def test_no_secret_is_written_down() -> None:
    text = re.sub(r"#.*|\$\{[^}]*\}", "", FILE.read_text())
    assert not re.search(r"(password|secret)\w*: *\S", text, re.IGNORECASE)


def test_compose_accepts_the_file(compose: list[str]) -> None:
    words = [*compose, "--file", str(FILE), "config", "--quiet"]
    accepted = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **SECRETS})
    assert accepted.returncode == 0, accepted.stderr
    for name in SECRETS:
        kept = {key: value for key, value in SECRETS.items() if key != name}
        refused = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **kept})
        assert refused.returncode != 0 and name in refused.stderr


@pytest.mark.parametrize(
    "name",
    ["worker-cpu", "metrics"]
    + [
        pytest.param(name, marks=pytest.mark.trial) for name in ("scheduler", *WITH_PORT) if name != "metrics"
    ],
)
def test_a_service_becomes_healthy_and_stops_being_so(
    name: str,
    home: Home,
    postgres_url: str,
    s3_variables: dict[str, str],
    redis_url: str,
    port: int,
    tmp_path: Path,
) -> None:
    service = services()[name]
    own_port = port if name in WITH_PORT else None
    variables = {
        **service["environment"],
        **s3_variables,
        "BATON_HOME": str(home.root),
        "REDIS_URL": redis_url,
        **tensorboard_variables(),
    }
    variables |= {"BATON_STATE_URL": postgres_url, "BATON_ARTIFACTS_URL": "s3://baton-test/compose"}
    variables |= {"BATON_QUEUE_LEASE_SECONDS": "4", "BATON_QUEUE_HEARTBEAT_SECONDS": "0.5"}
    assert not healthy(service, variables, own_port)
    with running(plain(service["command"], own_port), tmp_path / "log", **variables) as process:
        await_value(lambda: healthy(service, variables, own_port), bool, f"{name} is healthy")
        process.terminate()
        process.wait(60)
    if name == "scheduler":
        os.utime(next(home.run.glob("scheduler-*.pulse")), (0, 0))
    await_value(lambda: not healthy(service, variables, own_port), bool, f"{name} is unhealthy")


def test_postgres_with_its_settings_and_health_check(postgres: PostgresServer) -> None:
    service = services()["postgres"]
    assert service["command"][0] == "postgres"
    binaries = find_binaries()
    assert binaries is not None
    words = service["healthcheck"]["test"][1:]
    if not (binaries / words[0]).exists():
        pytest.skip(f"no {words[0]} beside the server")
    ask = [str(binaries / words[0]), *words[1:], "--host", str(postgres.folder)]
    postgres.stop()
    assert subprocess.run(ask).returncode != 0
    postgres.start(*service["command"][2::2])
    assert subprocess.run(ask).returncode == 0
