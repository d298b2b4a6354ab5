from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import psutil
import pytest

from settings.own_module import command_of
from simulators.external.calvin_env_script import read_message, write_message
from simulators.forks import Fork, Stock, Stocks

COMMAND = command_of("tests.simulators.fork_stand_in")
OPENING = {"call": "open", "name": "playtable", "scene": "D"}


@pytest.fixture
def stocks() -> Iterator[Stocks]:
    """None of which is left at the end."""
    found = Stocks()
    yield found
    for stock, _ in found._known.values():
        stock.close()


@pytest.fixture
def printed() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


def state_of(fork: Fork) -> dict[str, Any]:
    """As a simulator's pipe asks for it, after having opened it."""
    for request in (OPENING, {"call": "state"}):
        write_message(fork.stdin, request)
        answer = read_message(fork.stdout)
    assert answer is not None and answer["error"] is None
    return answer


def end(fork: Fork) -> None:
    fork.stdin.close()
    fork.wait(20)
    fork.stdout.close()


def forked(stocks: Stocks, owner: object, printed: IO[bytes], opening: dict[str, Any] = OPENING) -> Fork:
    fork = stocks.fork(owner, COMMAND, opening, printed.fileno())
    assert fork is not None
    return fork


def test_each_is_a_process_of_its_own_and_opened_once(stocks: Stocks, printed: IO[bytes]) -> None:
    forks = [forked(stocks, owner, printed) for owner in ("a", "b", "c")]
    states = [state_of(fork) for fork in forks]
    assert len({state["opened_in"] for state in states}) == 1
    assert [state["here"] for state in states] == [fork.pid for fork in forks]
    assert len({fork.pid for fork in forks} | {states[0]["opened_in"]}) == 4
    assert states[0]["opening"] == {"name": "playtable", "scene": "D"}
    printed.seek(0)
    assert printed.read() == b"asked\n" * 3
    for fork in forks:
        end(fork)
        assert fork.poll() == 0
        assert not psutil.pid_exists(fork.pid)


def test_one_that_is_killed_leaves_the_others(stocks: Stocks, printed: IO[bytes]) -> None:
    one, other = (forked(stocks, owner, printed) for owner in ("a", "b"))
    state_of(one)
    assert one.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.01)
    one.kill()
    one.wait(20)
    one.kill()  # which is not there any more
    assert read_message(one.stdout) is None
    assert state_of(other)["here"] == other.pid
    end(other)


def test_the_first_goes_with_the_last_who_may_fork(stocks: Stocks, printed: IO[bytes]) -> None:
    first, second = object(), object()
    forks = [forked(stocks, owner, printed) for owner in (first, second)]
    opened_in = state_of(forks[0])["opened_in"]
    stocks.leave(first)
    assert psutil.pid_exists(opened_in)
    stocks.leave(second)
    assert not psutil.pid_exists(opened_in)
    for fork in forks:  # which need it no longer
        assert state_of(fork)["here"] == fork.pid
        end(fork)


def test_another_is_opened_where_the_first_is_gone(stocks: Stocks, printed: IO[bytes]) -> None:
    one = forked(stocks, "a", printed)
    opened_in = state_of(one)["opened_in"]
    os.kill(opened_in, signal.SIGKILL)
    ((stock, _),) = stocks._known.values()
    stock._process.wait()
    assert stocks.fork("b", COMMAND, OPENING, printed.fileno()) is None
    two = forked(stocks, "b", printed)
    assert state_of(two)["opened_in"] != opened_in
    for fork in (one, two):
        end(fork)


@pytest.mark.parametrize("command", [COMMAND, ["/bin/false"], ["/no/python"]])
def test_what_cannot_be_opened_is_not_forked(stocks: Stocks, printed: IO[bytes], command: list[str]) -> None:
    opening = {**OPENING, "scene": "missing"}
    assert stocks.fork("a", command, opening, printed.fileno()) is None
    with pytest.raises(OSError):
        Stock(command, opening)


def test_systems_without_descriptors_of_processes_fork_none(
    stocks: Stocks, printed: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert stocks.fork("a", COMMAND, OPENING, printed.fileno()) is None
