"""What can happen to a home, one function each. A fault returns False where it found nothing to strike."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import redis

from chaos.world import LEASE_SECONDS, World, rows_of
from workers.broker import connect

Fault = Callable[[World, random.Random], bool]

#: How much memory a leaking worker may take before it is killed, as the kernel would.
_OOM_BYTES = 1 << 30


def kill_worker(world: World, chance: random.Random) -> bool:
    """SIGKILL."""
    return _signal_one(world, chance, "worker", signal.SIGKILL)


def terminate_worker(world: World, chance: random.Random) -> bool:
    """SIGTERM: the worker saves and ends."""
    return _signal_one(world, chance, "worker", signal.SIGTERM)


def kill_scheduler(world: World, chance: random.Random) -> bool:
    return _signal_one(world, chance, "scheduler", signal.SIGKILL)


def kill_redis(world: World, chance: random.Random) -> bool:
    return _signal_one(world, chance, "redis", signal.SIGKILL)


def flush_redis(world: World, _chance: random.Random) -> bool:
    """FLUSHALL: every bell is gone."""
    for process in world.members("worker"):
        with contextlib.suppress(psutil.Error, redis.RedisError):
            connect(process.environ()["BATON_BROKER"]).flushall()
            return True
    return False


def kill_everything(world: World, _chance: random.Random) -> bool:
    """SIGKILL to the command and all it started, at once."""
    family = world.family()
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert world.process is not None
    world.process.wait()
    world.await_end(family, 10)
    return bool(family)


def terminate_everything(world: World, _chance: random.Random) -> bool:
    """SIGTERM to the command: an orderly hand-over."""
    commands = world.members("command")
    for process in commands:
        process.terminate()
    return bool(commands)


def interrupt_twice(world: World, _chance: random.Random) -> bool:
    """A second SIGINT ends at once."""
    commands = world.members("command")
    for process in commands:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
    return bool(commands)


def freeze_worker(world: World, chance: random.Random) -> bool:
    """SIGSTOP until its supervisor has replaced it."""
    worker = _one(world, chance, "worker")
    if worker is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.suspend()
        if world.await_end([worker], LEASE_SECONDS * 3):
            worker.resume()
    return True


def wake_a_zombie(world: World, chance: random.Random) -> bool:
    """SIGSTOP for longer than the lease, the supervisor too, so that the worker wakes up: it must be fenced."""
    worker, commands = _one(world, chance, "worker"), world.members("command")
    if worker is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [*commands, worker]:
            process.suspend()
        time.sleep(LEASE_SECONDS + 2.5)
    for process in [worker, *commands]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    return True


def fill_the_disk(world: World, chance: random.Random) -> bool:
    """No byte more for some seconds: a full file system where the home has one of its own, else a quota."""
    if world.home.parent.is_mount():
        ballast = world.home.parent / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1 << 20))
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as stream:
            while True:
                stream.write(bytes(512))
        time.sleep(chance.uniform(1.0, 4.0))
        ballast.unlink()
        return True
    workers = world.members("worker")
    with _file_size_limit(workers, 4096):
        time.sleep(chance.uniform(1.0, 4.0))
    return bool(workers)


def flip_a_bit(world: World, chance: random.Random) -> bool:
    """One bit of a checkpoint that a run may go on from."""
    rows = rows_of(
        world.home,
        "select artifact.path from artifact join job on job.id = artifact.job_id"
        " where artifact.kind = 'checkpoint' and not artifact.final and job.state != 'succeeded'"
        " order by artifact.id desc limit 4",
    )
    if not rows:
        return False
    relative = chance.choice(rows)[0]
    path = world.home / relative
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
        with path.open("r+b") as stream:
            place = chance.randrange(path.stat().st_size)
            stream.seek(place)
            byte = stream.read(1)[0]
            stream.seek(place)
            stream.write(bytes([byte ^ 1 << chance.randrange(8)]))
        path.chmod(0o400)
        world.flipped.add(relative)
    return True


def segfault(world: World, chance: random.Random) -> bool:
    """A body that reads address 0."""
    return _inside(world, chance, "segfault") is not None


def deadlock(world: World, chance: random.Random) -> bool:
    """A body that holds the interpreter's lock for ever: the heartbeats stop, and it must be replaced."""
    worker = _inside(world, chance, "deadlock")
    if worker is None:
        return False
    left = world.await_end([worker], LEASE_SECONDS * 5)
    assert not left, "a worker without heartbeats was not replaced"
    return True


def leak_memory(world: World, chance: random.Random) -> bool:
    """A body that takes memory until it is killed for it."""
    worker = _inside(world, chance, "leak")
    if worker is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        while worker.is_running() and worker.memory_info().rss < _OOM_BYTES:
            time.sleep(0.05)
        worker.kill()
    return True


def set_the_clock(world: World, chance: random.Random) -> bool:
    """The time of day of the command, its scheduler or a worker is set back or forward."""
    process = _one(world, chance, chance.choice(["command", "scheduler", "worker"]))
    if process is None:
        return False
    return _strike(world, process, f"clock {chance.choice([-172_800, -3600, 3600, 172_800])}")


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_worker, terminate_worker, freeze_worker, wake_a_zombie, segfault, deadlock, leak_memory,
        kill_scheduler, kill_redis, flush_redis, kill_everything, terminate_everything, interrupt_twice,
        fill_the_disk, flip_a_bit, set_the_clock,
    )
}  # fmt: skip


def _one(world: World, chance: random.Random, role: str) -> psutil.Process | None:
    found = world.members(role)
    return chance.choice(found) if found else None


def _signal_one(world: World, chance: random.Random, role: str, number: int) -> bool:
    process = _one(world, chance, role)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
    return True


def _inside(world: World, chance: random.Random, fault: str) -> psutil.Process | None:
    """Strike a worker that holds a job from inside."""
    busy = {row[0] for row in rows_of(world.home, "select pid from worker where state = 'busy'")}
    workers = [process for process in world.members("worker") if process.pid in busy]
    if not workers:
        return None
    worker = chance.choice(workers)
    return worker if _strike(world, worker, fault) else None


def _strike(world: World, process: psutil.Process, fault: str) -> bool:
    Path(world.environment["BATON_CHAOS_FAULT"]).write_text(fault, encoding="ascii")
    with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
        if _listens(process.pid, signal.SIGUSR2):
            process.send_signal(signal.SIGUSR2)
            return True
    return False


def _listens(pid: int, number: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@contextlib.contextmanager
def _file_size_limit(processes: list[psutil.Process], size: int) -> Iterator[None]:
    """Writes beyond `size` fail with EFBIG, as beyond a quota. (Python ignores SIGXFSZ.)"""
    limits = {}
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            limits[process.pid] = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, limits[process.pid][1]))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 0)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
