"""Two machines and the servers that they share, as namespaces of this one: their links can be cut one by one.

A machine is a network of its own, with its own processes, name and start. Its links lead to the servers and to the
other machine. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.machines import BOOT_ID
from tests.postgres import PostgresServer, die_with_parent, find_binaries, postgres_server
from tests.processes import environment, kill_all
from tests.support import await_value
from trials import REPOSITORY

SERVERS = "10.77.0.1"
NAMES = ("one", "two")
#: Set in the process that is in the servers' network.
_INSIDE = "BATON_TRIAL_INSIDE"


def enter_own_network() -> None:
    """This process is started anew in a network of the trial's own, unless it is in one."""
    if os.environ.get(_INSIDE):
        return
    command = ["unshare", "--net", sys.executable, "-m", *_module()]
    os.execvpe("unshare", command, {**os.environ, _INSIDE: "1"})


def _module() -> list[str]:
    spec = sys.modules["__main__"].__spec__
    assert spec is not None
    return [spec.name, *sys.argv[1:]]


class Machine:
    """`address`: by which the other one reaches it."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name, self.home = NAMES[number], folder / NAMES[number]
        self.address = f"10.77.3.{number + 1}"
        self._folder, self._number = folder, number
        self._process: psutil.Process | None = None
        boot = folder / f"boot-{self.name}"
        boot.write_text(f"{number:08x}-0000-4000-8000-000000000000\n")
        self._boot = boot
        self._net = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent)
        await_value(lambda: self._network() != _network_of("self"), bool, "a network")

    def _network(self) -> str:
        return _network_of(str(self._net.pid))

    def ip(self, *words: str) -> None:
        run("nsenter", f"--net=/proc/{self._net.pid}/ns/net", "ip", *words)

    @property
    def pid(self) -> int:
        return self._net.pid

    def start(self, shared: Mapping[str, str]) -> None:
        """`up`, as on a machine that was started anew."""
        made = f'hostname "$0" && mount --bind "$1" {BOOT_ID} && shift && exec "$@"'
        command = [
            "nsenter", f"--net=/proc/{self._net.pid}/ns/net",
            "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child",
            "sh", "-c", made, self.name, str(self._boot),
            sys.executable, str(REPOSITORY / "cli.py"), "--home", str(self.home),
            "up", "--gpus", "none", "--cpus", "1",
        ]  # fmt: skip
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = psutil.Popen(
                command, env=environment(**shared, BATON_GANG_ADDRESS=self.address), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def lose(self) -> None:
        """Whatever runs there is gone at once."""
        if self._process is not None:
            kill_all(self._process)
            self._process = None

    def ranks(self) -> int:
        """Processes of ranks on it."""
        if self._process is None:
            return 0
        return sum("gang.rank" in " ".join(_command(p)) for p in self._process.children(recursive=True))

    def end(self) -> None:
        self.lose()
        self._net.kill()
        self._net.wait()


def _network_of(pid: str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


class Network:
    """The two machines, `links`: those that can be cut, of the machine's number or between the two."""

    def __init__(self, machines: list[Machine]) -> None:
        self.machines = machines
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{SERVERS}/32", "dev", "lo")
        for number, machine in enumerate(machines):
            here, there = f"10.77.{number + 1}.1", f"10.77.{number + 1}.2"
            run(
                "ip",
                "link",
                "add",
                f"to-{machine.name}",
                "type",
                "veth",
                "peer",
                "name",
                "servers",
                "netns",
                str(machine.pid),
            )
            run("ip", "address", "add", f"{here}/24", "dev", f"to-{machine.name}")
            run("ip", "link", "set", f"to-{machine.name}", "up")
            machine.ip("link", "set", "lo", "up")
            machine.ip("address", "add", f"{there}/24", "dev", "servers")
            machine.ip("link", "set", "servers", "up")
            machine.ip("route", "add", SERVERS, "via", here)
        one, two = machines
        one.ip("link", "add", "other", "type", "veth", "peer", "name", "other", "netns", str(two.pid))
        for machine in machines:
            machine.ip("address", "add", f"{machine.address}/24", "dev", "other")
            machine.ip("link", "set", "other", "up")

    def between(self, up: bool) -> None:
        """The link between the machines; packets are lost, and nobody is told."""
        self.machines[1].ip("link", "set", "other", "up" if up else "down")

    def to_servers(self, number: int, up: bool) -> None:
        """The link of a machine to the servers."""
        run("ip", "link", "set", f"to-{self.machines[number].name}", "up" if up else "down")


def run(*command: str) -> None:
    subprocess.run(command, check=True)


@contextmanager
def servers(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """PostgreSQL, S3 and Redis at one address of this network: the state's URL here, and what machines are told."""
    binaries = find_binaries()
    assert binaries is not None, "no PostgreSQL"
    with ExitStack() as stack:
        postgres: PostgresServer = stack.enter_context(postgres_server(binaries))
        with (postgres.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.77.0.0/16 trust\n")
        postgres.stop()
        postgres.start(f"listen_addresses={SERVERS}")
        name = postgres.create()
        s3 = {
            "AWS_ENDPOINT_URL": f"http://{SERVERS}:9000", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        for command in (
            [sys.executable, "-m", "moto.server", "-H", SERVERS, "-p", "9000"],
            ["redis-server", "--bind", SERVERS, "--port", "6379", "--save", "", "--protected-mode", "no"],
        ):
            server = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, **s3}, preexec_fn=die_with_parent,
            )  # fmt: skip
            stack.callback(server.kill)
        yield (
            postgres.url(name),
            {
                **s3,
                "BATON_STATE_URL": f"postgresql://baton@{SERVERS}/{name}",
                "BATON_ARTIFACTS_URL": "s3://baton-test/trial",
                "REDIS_URL": f"redis://{SERVERS}:6379/0",
            },
        )
