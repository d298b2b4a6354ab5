"""Windows on a home that answer over HTTP: one command each, and `up` starts them on request."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec

from errors import EnvironmentLacks
from settings.installing import pip_install


@dataclass(frozen=True)
class Service:
    """`name` is its command and its key in `status --json`; `title` is what people read.

    port: where it listens unless told otherwise. package: what it needs to be importable, and
    `requirement` what pip calls that. page and health: what people open, and what answers without a password.
    login: how people get in, where it asks.
    """

    name: str
    title: str
    port: int
    package: str
    requirement: str
    page: str = ""
    health: str = "/"
    login: str | None = None

    def url(self, address: str, port: int) -> str:
        """What people open; a service that listens on all addresses is opened at the machine's own."""
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{port}{self.page}"


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("flower", "Flower", 5555, "flower", "flower>=2.0.1,<3", health="/healthcheck",
                login="user baton, password from $BATON_FLOWER_PASSWORD or in run/flower.password of the home"),
        Service("tensorboard", "TensorBoard", 6006, "tensorboard", "tensorboard>=2.18"),
        Service("metrics", "Prometheus figures", 9464, "prometheus_client", "prometheus-client",
                page="/metrics", health="/metrics"),
    )
}  # fmt: skip


def announcement(name: str, address: str, port: int) -> str:
    """One line: where it is, and how to get in."""
    service = SERVICES[name]
    login = f" ({service.login})" if service.login else ""
    return f"{service.title}: {service.url(address, port)}{login}"


def need_services(ports: Mapping[str, int], address: str, option: str = "--port") -> None:
    """Raises EnvironmentLacks unless all of these (name -> port) are installed and can listen there together.

    `option` names what changes a port; `{name}` in it stands for the service.
    """
    with ExitStack() as held:
        for name, port in ports.items():
            service = SERVICES[name]
            if find_spec(service.package) is None:
                raise EnvironmentLacks(
                    f"{service.title} is not installed: {pip_install(service.requirement)}"
                )
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                held.enter_context(socket.create_server((address, port), family=family))
            except OSError as error:
                raise EnvironmentLacks(
                    f"{service.title} cannot listen on {address}:{port} ({error.strerror}); "
                    f"name another port with {option.format(name=name)}"
                ) from None
