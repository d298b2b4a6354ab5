"""A one-node SLURM on loopback, jobs of the sbatch script on it, and a stand-in for Baton that needs seconds."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from trials import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "slurm" / "baton.sbatch"

#: Stands for `cli.py`: needs $WORK seconds in all, catches signals after $START, says which, takes $SAVE to save, ends
#: with 4 then. It stores something unless $STORES is empty. $PAUSED: it has nothing to do. `given` in $FOLDER/probe.
STAND_IN = f"""
import json, os, pathlib, signal, sys, time
if "status" in sys.argv:
    print(json.dumps({{"ablations": [{{"state": "paused" if os.environ.get("PAUSED") else "running"}}]}}))
    sys.exit(0)
home = pathlib.Path(os.environ["BATON_HOME"])
def say(*words):
    with (home / "said").open("a") as said:
        print(f"{{time.time():.1f}}", os.environ.get("SLURM_RESTART_COUNT", "0"), *words, file=said)
say("starts")
if os.environ.get("PROBE"):
    sys.path.insert(0, {str(REPOSITORY)!r})
    from commands.gpus import devices_of
    devices = devices_of(None, None)
    say("given", [devices.named(group) for group in devices.gpus], devices.cpus)
if os.environ.get("PAUSED"):
    sys.exit(4)
start, save, work = (float(os.environ.get(n, d)) for n, d in (("START", 0), ("SAVE", 1), ("WORK", 1000)))
time.sleep(start)
got = []
def note(number, _):
    got.append(number); say("got", signal.Signals(number).name)
for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, note)
done = home / "done"
before, began = float(done.read_text()) if done.exists() else 0.0, time.time()
if os.environ.get("STORES", "1"):
    (home / "artifacts" / f"{{began}}").touch()
while before + time.time() - began < work and not got:
    time.sleep(0.05)
did = before + time.time() - began
if did < work:
    time.sleep(save)
done.write_text(str(did))
say("ends", 0 if did >= work else 4)
sys.exit(0 if did >= work else 4)
"""


class Slurm:
    """Started as a context manager; `engine` is the folder with `cluster.sh`. Needs root."""

    def __init__(self, engine: Path, folder: Path, kill_wait: int = 30) -> None:
        self._engine = engine
        self.folder = folder
        self._environment = {
            **{
                name: text
                for name, text in os.environ.items()
                if not name.startswith(("BATON_", "SLURM", "SBATCH"))
            },
            "SLURM_ROOT": str(folder / "slurm"),
            "SLURM_CONF": str(folder / "slurm" / "etc" / "slurm.conf"),
        }
        self._kill_wait = kill_wait
        self._stand_in = folder / "stand_in"

    def __enter__(self) -> Slurm:
        self._cluster("setup")
        conf = self.folder / "slurm" / "etc" / "slurm.conf"
        text = re.sub(r"KillWait=\d+", f"KillWait={self._kill_wait}", conf.read_text())
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            ports = one.getsockname()[1], two.getsockname()[1]
        conf.write_text(f"SlurmctldPort={ports[0]}\nSlurmdPort={ports[1]}\n{text}")
        self._stand_in.mkdir()
        (self._stand_in / "cli.py").write_text(STAND_IN)
        try:
            self._cluster("start")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run("scancel", "--user=root", "--full", check=False)
        self.wait(lambda: not self.run("squeue", "-h").strip(), 60)
        self._stop()

    def _stop(self) -> None:
        daemons = []
        for name in ("slurmd", "slurmctld", "munge/munged"):
            with contextlib.suppress(OSError, ValueError, psutil.Error):
                place = self.folder / "slurm" / f"{name}.pid"
                daemons.append(psutil.Process(int(place.read_text())))
        self._cluster("stop")
        psutil.wait_procs(daemons, 20)

    def home(self, name: str) -> Path:
        home = self.folder / name
        for below in ("run", "artifacts"):
            (home / below).mkdir(parents=True)
        return home

    def submit(
        self,
        home: Path,
        *options: str,
        baton: Path | None = None,
        arguments: Sequence[str] = (),
        script: Path = SCRIPT,
        **variables: str,
    ) -> str:
        """The job's number. baton: the checkout; the stand-in without one."""
        environment = self._environment | {
            "BATON_DIR": str(baton or self._stand_in), "BATON_PYTHON": sys.executable, "BATON_HOME": str(home),
            "PYTHONPATH": str(REPOSITORY), **variables,
        }  # fmt: skip
        out = f"--output={self.folder}/{home.name.replace(',', '_')}.%j.log"
        words = [
            "sbatch",
            "--parsable",
            "--gres=none",
            "--cpus-per-task=1",
            out,
            *options,
            str(script),
            *arguments,
        ]
        done = subprocess.run(
            words, env=environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"sbatch: {done.stderr}")
        return done.stdout.strip()

    def run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(words, env=self._environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{words}: {done.stderr}")
        return done.stdout

    def field(self, job: str, name: str) -> str:
        """Of `scontrol show job`; empty where the job is not known."""
        found = re.search(rf"\b{name}=(\S+)", self.run("scontrol", "-o", "show", "job", job, check=False))
        return found[1] if found else ""

    def state(self, job: str) -> str:
        """As `COMPLETED`, or `PENDING JobHeldUser`."""
        state, reason = self.field(job, "JobState"), self.field(job, "Reason")
        return f"{state} {reason}" if state == "PENDING" else state

    def restarted(self, job: str, times: int) -> bool:
        return int(self.field(job, "Restarts") or 0) >= times

    def wait(self, look: Callable[[], object], seconds: float) -> bool:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            try:
                if look():
                    return True
            except RuntimeError:
                pass  # the controller is restarting
            time.sleep(0.5)
        return False

    def ends(self, job: str, seconds: float = 120.0) -> str:
        """The state in which it stays."""
        final = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY")
        self.wait(lambda: self.state(job).startswith(final), seconds)
        return self.state(job)

    def preempt(self, partition: str = "high", seconds: int = 1) -> str:
        words = (
            "sbatch",
            "--parsable",
            "-p",
            partition,
            "--exclusive",
            "--output=/dev/null",
            "--wrap",
            f"sleep {seconds}",
        )
        return self.run(*words).strip()

    def restart_controller(self, down_seconds: float) -> None:
        os.kill(int((self.folder / "slurm" / "slurmctld.pid").read_text()), signal.SIGKILL)
        time.sleep(down_seconds)
        self.run("slurmctld", "-f", self._environment["SLURM_CONF"])

    def kill_node(self, home: Path) -> None:
        """As a power cut: SIGKILL to slurmd, its step daemons, and then all that jobs of this home started."""
        daemon = psutil.Process(int((self.folder / "slurm" / "slurmd.pid").read_text()))
        mine, steps = [], set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("BATON_HOME") == str(home):
                    mine.append(process)
                    steps |= {
                        parent for parent in process.parents() if parent.name().startswith("slurmstepd")
                    }
        for process in [daemon, *steps, *mine]:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def start_node(self) -> None:
        self._cluster("slurmd")
        name = self.run("sinfo", "-h", "-o", "%n").split()[0]
        self.wait(lambda: "down" not in self.run("sinfo", "-h", "-o", "%T"), 60)
        self.run("scontrol", "update", f"NodeName={name}", "State=RESUME", check=False)

    def _cluster(self, command: str) -> None:
        words = ["bash", str(self._engine / "cluster.sh"), command]
        done = subprocess.run(words, env=self._environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(f"cluster.sh {command} failed (root? slurm-wlm and munge?)")
