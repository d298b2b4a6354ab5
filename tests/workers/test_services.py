"""Whether a service can be offered is known before anything is started, and said in one sentence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

import cli
from errors import EnvironmentLacks
from tests.commands.test_flower import port
from workers.services import SERVICES, announcement, need_services

__all__ = ["port"]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_every_service_is_a_command_of_its_name() -> None:
    assert set(SERVICES) <= set(cli.COMMANDS)
    assert all(service.name == name for name, service in SERVICES.items())
    assert len({service.port for service in SERVICES.values()}) == len(SERVICES)


def test_a_free_port_will_do_and_is_left_free(port: int) -> None:
    need_services({"metrics": port}, "127.0.0.1")
    need_services({"flower": port}, "127.0.0.1")


def test_a_taken_port_is_named_with_what_changes_it(taken: int) -> None:
    expected = rf"^Flower cannot listen on 127\.0\.0\.1:{taken} \(.*\); name another port with --flower-port$"
    with pytest.raises(EnvironmentLacks, match=expected):
        need_services({"flower": taken}, "127.0.0.1", "--{name}-port")


def test_two_services_cannot_have_one_port(port: int) -> None:
    with pytest.raises(EnvironmentLacks, match=f"^Prometheus figures cannot listen on .*:{port} "):
        need_services({"flower": port, "metrics": port}, "127.0.0.1")


def test_an_address_of_another_machine_is_refused(port: int) -> None:
    with pytest.raises(EnvironmentLacks, match=r"^Flower cannot listen on 192\.0\.2\.1:\d+ \("):
        need_services({"flower": port}, "192.0.2.1")


def test_what_is_not_installed_is_named_with_how_to_get_it(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = replace(SERVICES["tensorboard"], package="no_such_package_anywhere")
    monkeypatch.setitem(SERVICES, "tensorboard", absent)
    with pytest.raises(
        EnvironmentLacks, match=r"^TensorBoard is not installed: .* -m pip install 'tensorboard>=.*'$"
    ):
        need_services({"tensorboard": port}, "127.0.0.1")


def test_addresses_are_links() -> None:
    assert announcement("metrics", "127.0.0.1", 9464) == "Prometheus figures: http://127.0.0.1:9464/metrics"
    assert announcement("tensorboard", "::1", 6006) == "TensorBoard: http://[::1]:6006"
    assert announcement("tensorboard", "0.0.0.0", 6006) == "TensorBoard: http://127.0.0.1:6006"
    assert announcement("tensorboard", "::", 6006) == "TensorBoard: http://[::1]:6006"
    assert announcement("flower", "127.0.0.1", 5555).startswith("Flower: http://127.0.0.1:5555 (user baton,")
