"""The address of a service that runs, and none of one that does not."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import IO

import psutil
import pytest

from settings.home import Home
from tests.processes import await_gone, environment, kill_all
from views.addresses import address_of

_SERVE = """
import subprocess, sys
from pathlib import Path
from settings.home import Home
from views.addresses import note_address
note_address(Home(Path(sys.argv[1])), "flower", "http://127.0.0.1:5555")
subprocess.Popen(["sleep", "30"], close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print("noted", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def serving(home: Home, *wrapper: str, **more: str) -> Iterator[psutil.Process]:
    """A process that has noted its address, started another, and waits for the end of its input."""
    words = [*wrapper, sys.executable, "-c", _SERVE, str(home.root)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(**more)
    ) as started:
        process = psutil.Process(started.pid)
        try:
            assert started.stdout is not None and started.stdout.readline() == "noted\n"
            yield process
        finally:
            kill_all(process)


def test_the_address_counts_while_the_process_lives(home: Home) -> None:
    assert address_of(home, "flower") is None
    with serving(home):
        for _ in range(2):  # looking changes nothing
            assert address_of(home, "flower") == "http://127.0.0.1:5555"
        assert address_of(home, "metrics") is None
    assert address_of(home, "flower") is None
    with serving(home):
        assert address_of(home, "flower") == "http://127.0.0.1:5555"


def test_a_note_that_is_replaced_while_it_is_looked_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that noted it has ended, and the next one has noted its own."""
    (home.run / "flower.url").write_text("http://127.0.0.1:1")
    flock = fcntl.flock
    with contextlib.ExitStack() as served:

        def late(stream: IO[bytes], operation: int) -> None:
            monkeypatch.undo()
            served.enter_context(serving(home))
            flock(stream, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        assert address_of(home, "flower") == "http://127.0.0.1:5555"


def test_people_may_reach_it_by_another_address(home: Home) -> None:
    with serving(home, BATON_FLOWER_URL="https://flower.example.org"):
        assert address_of(home, "flower") == "https://flower.example.org"


def test_what_it_started_does_not_keep_the_address(home: Home) -> None:
    with serving(home) as service:
        (child,) = service.children()
        service.kill()
        await_gone([service])
        assert child.is_running() and address_of(home, "flower") is None
        child.kill()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"http://127.0.0.1:1"])
def test_a_file_that_nobody_holds_is_no_service(home: Home, content: bytes) -> None:
    (home.run / "flower.url").write_bytes(content)
    assert address_of(home, "flower") is None


@pytest.fixture
def container() -> Sequence[str]:
    """A prefix that runs a command among process ids of its own, as a container does."""
    words = ["unshare", "--pid", "--fork", "--kill-child"]
    if shutil.which(words[0]) is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("process ids cannot be separated here")
    return words


def test_a_service_in_another_container_is_linked(home: Home, container: Sequence[str]) -> None:
    with serving(home, *container):
        assert address_of(home, "flower") == "http://127.0.0.1:5555"
    assert address_of(home, "flower") is None
