"""A training over two nodes of a real SLURM by one `srun` of the sbatch script: at its end the weights of two ranks of
one machine, also after requeues and a preemption in the midst of steps.

    python -m trials.slurm_gang [--engine FOLDER] [--cases NAME,NAME] [--json FILE]

Two slurmd of this machine are the nodes, `--engine` is as in `trials.slurm`; PostgreSQL, S3 and Redis are beside them.
Each node's Baton believes to be on a machine of its own (host name and start). Needs root, slurm-wlm and munge; takes
some minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from db.states import RUNNING, SUCCEEDED
from tests.machines import BOOT_ID
from trials import REPOSITORY, RESULTS, keep
from trials.engines.slurm import Slurm
from trials.gang_machines import Trial
from trials.machines_apart import SERVERS, enter_own_network, run, servers

_ENGINE = REPOSITORY.parent / "shared" / "engines" / "slurm"
_NODES = ("one", "two")

#: Stands for the interpreter: on each node one that believes to be on a machine of its own.
_PYTHON = f"""#!/bin/sh
[ -n "$SLURM_NODEID" ] && [ "$SLURM_JOB_NUM_NODES" = 2 ] && [ "$2" = up ] || exec {sys.executable} "$@"
exec unshare --mount --uts sh -c 'hostname "$0" && mount --bind "$1" {BOOT_ID} && shift && exec "$@"' \\
    "node$SLURM_NODEID" "FOLDER/boot-$SLURM_NODEID" {sys.executable} "$@"
"""


class TwoNodes(Slurm):
    """As `cluster.sh` sets one node up, with two slurmd."""

    def __enter__(self) -> TwoNodes:
        self._cluster("setup")
        root = self.folder / "slurm"
        conf = root / "etc" / "slurm.conf"
        host, text = socket.gethostname().split(".")[0], conf.read_text()
        lines = [
            line
            for line in text.splitlines()
            if not line.startswith(
                ("NodeName=", "GresTypes", "SlurmdPidFile", "SlurmdLogFile", "SlurmdSpoolDir")
            )
        ]
        ports = [_free_port() for _ in range(3)]
        size = "CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=9000 State=UNKNOWN"
        lines = [re.sub(rf"\bNodes={re.escape(host)}\b", f"Nodes={','.join(_NODES)}", line) for line in lines]
        lines += [f"SlurmctldPort={ports[0]}", "SlurmdParameters=config_overrides"]
        lines += [f"Slurmd{name}={root}/%n.{name}" for name in ("PidFile", "LogFile", "SpoolDir")]
        at = next(number for number, line in enumerate(lines) if line.startswith("PartitionName="))
        lines[at:at] = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {size}"
            for name, port in zip(_NODES, ports[1:], strict=True)
        ]
        conf.write_text("\n".join(dict.fromkeys(lines)) + "\n")
        (root / "etc" / "gres.conf").unlink()
        munge = root / "munge"
        try:
            run(
                "munged", f"--key-file={munge}/munge.key", f"--socket={munge}/munge.socket",
                f"--pid-file={munge}/munged.pid", f"--log-file={root}/log/munged.log",
                f"--seed-file={munge}/seed",
            )  # fmt: skip
            self.run("slurmctld", "-f", str(conf), "-i")
            for name in _NODES:
                (root / f"{name}.SpoolDir").mkdir()
                self.run("slurmd", "-f", str(conf), "-N", name)
            if not self.wait(lambda: self.run("sinfo", "-h", "-o", "%T %D").split()[:2] == ["idle", "2"], 60):
                raise SystemExit(f"the nodes did not come: {self.run('sinfo')}")
        except BaseException:
            self._stop()
            raise
        return self

    def _stop(self) -> None:
        ends = []
        for name in (*(f"{node}.PidFile" for node in _NODES), "slurmctld.pid", "munge/munged.pid"):
            place = self.folder / "slurm" / name
            if place.exists() and place.read_text().strip():
                ends.append(psutil.Process(int(place.read_text())))
                ends[-1].terminate()
        psutil.wait_procs(ends, 20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@dataclass
class _Node:
    """As `Trial` asks a machine."""

    name: str
    home: Path

    def ranks(self) -> int:
        """Processes of ranks on it, known by their home."""
        return sum(
            "gang.rank" in " ".join(p.info["cmdline"] or ()) and _in(p, self.home)
            for p in psutil.process_iter(["cmdline"])
        )


def _in(process: psutil.Process, home: Path) -> bool:
    try:
        return str(home) in " ".join([*process.cmdline(), *process.environ().values()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


@dataclass
class _Nodes:
    machines: list[_Node]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, default=_ENGINE)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--json", type=Path, default=RESULTS / "slurm_gang.json")
    options = parser.parse_args()
    if not (options.engine / "cluster.sh").is_file() or shutil.which("slurmctld") is None:
        print("skipped: trials.slurm_gang needs slurm-wlm, munge and a folder with cluster.sh (--engine)")
        return 0
    enter_own_network()
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{SERVERS}/32", "dev", "lo")
    began, found = time.monotonic(), {}
    with (
        tempfile.TemporaryDirectory(prefix="baton-slurm-", dir="/tmp", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        place = Path(name)
        place.chmod(0o755)
        url, shared = stack.enter_context(servers(place))
        slurm = stack.enter_context(TwoNodes(options.engine, place))
        home = slurm.home("home")
        nodes = [_Node(f"node{number}", home / "nodes" / str(number)) for number in range(2)]
        for number in range(len(nodes)):
            (place / f"boot-{number}").write_text(f"{number:08x}-0000-4000-8000-000000000000\n")
        python = place / "python"
        python.write_text(_PYTHON.replace("FOLDER", str(place)))
        python.chmod(0o755)
        trial = Trial(place, url, shared, _Nodes(nodes))  # type: ignore[arg-type]
        for case in options.cases.split(","):
            job = ""

            def disturbed(trial: Trial, case: str = case) -> bool:
                nonlocal job
                job = slurm.submit(
                    home, "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2", "-p", "low", baton=REPOSITORY,
                    arguments=("--gpus", "none", "--cpus", "1"), **trial.shared,
                    BATON_PYTHON=str(python), BATON_GANG_ADDRESS="127.0.0.1",
                )  # fmt: skip
                return CASES[case](trial, slurm, job)

            row = trial.disturbed(case, disturbed)
            row["slurm"] = slurm.ends(job, 180.0)
            row["restarts"] = int(slurm.field(job, "Restarts") or 0)
            row["holds"] = row["holds"] and row["slurm"] == "COMPLETED"
            found[case] = row
            print(case, json.dumps(row), flush=True)
    seconds = round(time.monotonic() - began)
    keep(options.json, __doc__.splitlines()[0], {"cases": found, "seconds": seconds})
    return 0 if all(row["holds"] for row in found.values()) else 1


def _undisturbed(_trial: Trial, _slurm: Slurm, _job: str) -> bool:
    return False


def _requeued(trial: Trial, slurm: Slurm, job: str) -> bool:
    """Twice, without a word before."""
    for times in (1, 2):
        trial.after_a_checkpoint()
        slurm.run("scontrol", "requeue", job)
        trial.wait(lambda: slurm.restarted(job, times), "the requeued job")  # noqa: B023
    return False


def _preempted(trial: Trial, slurm: Slurm, job: str) -> bool:
    """One of the two nodes is wanted, with a grace."""
    trial.after_a_checkpoint()
    slurm.preempt()
    trial.until("seconds until nobody works", lambda: trial.job().state != RUNNING)
    trial.said["outcome"] = trial.attempts()[-1]["outcome"]
    trial.wait(lambda: slurm.restarted(job, 1) or trial.job().state == SUCCEEDED, "the requeued job")
    return False


CASES: Mapping[str, Callable[[Trial, Slurm, str], bool]] = {
    "undisturbed": _undisturbed,
    "requeued twice": _requeued,
    "preempted": _preempted,
}


if __name__ == "__main__":
    sys.exit(main())
