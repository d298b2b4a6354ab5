"""The sbatch script among commands of SLURM, and a Baton, that write down how they were called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY, await_value

SCRIPT = REPOSITORY / "scripts" / "slurm" / "baton.sbatch"

#: name -> shell; `$T` is the test's folder. SLURM ends a script that it puts back.
COMMANDS = {
    "srun": 'echo "$@" > $T/srun; while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"',
    "ip": "cat $T/address",
    "sleep": "if [ -e $T/early ]; then rm $T/early; kill -USR1 $PPID; fi; exec /bin/sleep 0.02",
    "squeue": 'case "$*" in *"-j 11 "*) cat $T/state;; esac',
    "scontrol": """
        if [ "$1" = -o ]; then cat $T/show; exit; fi
        echo "$@" >> $T/scontrol
        case $1 in requeue*)
            if [ -s $T/deaf ]; then sed -i 1d $T/deaf; exit 1; fi
            kill -TERM $PPID;;
        esac""",
    # As `python cli.py up` and `python cli.py status`.
    "python": f"""
        case "$*" in -c*) exec {sys.executable} "$@";; *status*) cat $T/status; exit;;
            *artifacts*) cat $T/artifacts; exit;; esac
        echo "$@" > $T/arguments; echo "$BATON_HOME" > $T/home; echo "$BATON_GANG_ADDRESS" > $T/reached; touch $T/new.$$
        [ ! -e $T/uploads ] || echo $$ >> $T/artifacts
        cp $T/new.$$ "$BATON_HOME/artifacts" 2>/dev/null && [ -e $T/stores ] || rm -f "$BATON_HOME/artifacts/new.$$"
        code=$(cat $T/code)
        case $code in SIG*) kill -${{code#SIG}} $$;; esac
        got=; trap 'got=USR1' USR1; trap 'got=TERM' TERM
        touch $T/catches
        while [ -z "$got" ] && [ ! -e $T/finish ]; do /bin/sleep 0.02; done
        /bin/sleep 0.1  # saving takes a moment, during which the script must go on waiting
        echo $got > $T/signal; exit $code""",
}


class Cluster:
    """A folder with those commands and a home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "a home, with a comma"
        for below in ("run", "artifacts/.scratch"):
            (self.home / below).mkdir(parents=True)
        (folder / "bin").mkdir()
        for name, shell in COMMANDS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\nT={folder}\n{shell}\n")
            (folder / "bin" / name).chmod(0o755)
        (folder / "cli.py").touch()
        self.say(code="4", status='{"ablations": [{"state": "running"}]}', show="", state="", artifacts="")
        self._processes: list[subprocess.Popen[str]] = []

    def say(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def read(self, name: str) -> list[str]:
        place = self.folder / name
        return place.read_text().splitlines() if place.exists() else []

    @property
    def asked(self) -> list[str]:
        return self.read("scontrol")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        (self.folder / "catches").unlink(missing_ok=True)
        environment = {
            **os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "BATON_DIR": str(self.folder),
            "BATON_PYTHON": str(self.folder / "bin" / "python"), "BATON_HOME": str(self.home),
            "SLURM_JOB_ID": "417", **variables,
        }  # fmt: skip
        process = subprocess.Popen(
            ["bash", str(SCRIPT), *arguments],
            env=environment,
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def end(self, *arguments: str, number: int | None = None, **variables: str) -> tuple[int, str]:
        """(exit code, what it said) of a script that gets this signal once Baton catches it."""
        process = self.start(*arguments, **variables)
        if number is not None:
            await_value(lambda: (self.folder / "catches").exists(), bool, "a Baton that catches signals")
            process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        return process.returncode, said

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def test_at_the_time_limit_unfinished_work_is_requeued(cluster: Cluster) -> None:
    cluster.say(stores="")
    code, _ = cluster.end("--cpus", "1", number=signal.SIGUSR1)
    assert (code, cluster.read("signal"), cluster.asked) == (4, ["USR1"], ["requeue 417"])
    assert cluster.read("arguments") == [f"{cluster.folder}/cli.py up --until-done --cpus 1"]
    assert cluster.read("home") == [str(cluster.home)]


def test_what_was_cancelled_stays_so(cluster: Cluster) -> None:
    code, _ = cluster.end(number=signal.SIGTERM)
    assert (code, cluster.read("signal"), cluster.asked) == (4, ["TERM"], [])


def test_a_time_limit_that_passed_is_no_cancelling(cluster: Cluster) -> None:
    cluster.say(stores="", show="JobId=417 JobState=COMPLETING Reason=TimeLimit Dependency=(null)")
    assert cluster.end(number=signal.SIGTERM)[0] == 4
    assert cluster.asked == ["requeue 417"]


def test_a_signal_before_anything_was_started(cluster: Cluster) -> None:
    cluster.say(early="")
    assert cluster.end()[0] == 4
    assert (cluster.asked, cluster.read("arguments")) == (["requeue 417"], [])


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_what_has_ended_is_not_requeued(cluster: Cluster, code: str) -> None:
    cluster.say(code=code, finish="")
    assert cluster.end()[0] == int(code)
    assert cluster.asked == []


@pytest.mark.parametrize("number", ["USR1", "TERM", "KILL"])
def test_a_signal_that_baton_could_not_catch_is_no_end(cluster: Cluster, number: str) -> None:
    """Its first seconds, SLURM's notice to the step alone, and the kernel when memory ends."""
    cluster.say(code=f"SIG{number}", stores="")
    assert (cluster.end()[0], cluster.asked) == (4, ["requeue 417"])


def test_a_task_of_an_array_is_requeued_by_itself(cluster: Cluster) -> None:
    cluster.say(finish="", stores="")
    cluster.end(SLURM_ARRAY_JOB_ID="417", SLURM_ARRAY_TASK_ID="3")
    assert cluster.asked == ["requeue 417_3"]


def test_a_controller_that_restarts_is_asked_again(cluster: Cluster) -> None:
    cluster.say(finish="", stores="", deaf="1\n2\n")
    cluster.end()
    assert cluster.asked == ["requeue 417"] * 3


def test_starts_that_bring_nothing_are_held(cluster: Cluster) -> None:
    cluster.say(finish="")
    for _ in range(2):
        cluster.end(BATON_SLURM_STALLS="3")
    cluster.say(show="JobId=417 Reason=None PreemptTime=2026-11-29T10:00:00 x=y")
    cluster.end(BATON_SLURM_STALLS="3")
    cluster.say(show="JobId=417 Reason=None PreemptTime=None x=y")
    assert cluster.asked == ["requeue 417"] * 3, "one that was taken away does not count"
    code, said = cluster.end(BATON_SLURM_STALLS="3")
    assert (code, cluster.asked[3:]) == (4, ["requeuehold 417"])
    assert "3 starts in a row brought nothing new" in said and "scontrol release 417" in said
    cluster.end(BATON_SLURM_STALLS="3")
    cluster.say(stores="")
    cluster.end(BATON_SLURM_STALLS="3")
    assert cluster.asked[4:] == ["requeue 417"] * 2
    assert not (cluster.home / "run" / "slurm-stalled").exists()


def test_no_room_to_count_in_is_held(cluster: Cluster) -> None:
    cluster.say(finish="")
    (cluster.home / "run" / "slurm-stalled").mkdir()
    cluster.end()
    assert cluster.asked == ["requeuehold 417"]


@pytest.mark.parametrize(
    ("states", "how"), [(["paused"], "requeuehold"), (["paused", "running"], "requeue"), ([], "requeue")]
)
def test_a_paused_ablation_is_held_at_once(cluster: Cluster, states: list[str], how: str) -> None:
    told = ", ".join(f'{{"state": "{state}"}}' for state in states)
    cluster.say(finish="", status=f'{{"ablations": [{told}]}}')
    _, said = cluster.end()
    assert cluster.asked == [f"{how} 417"]
    assert ("unpause, then scontrol release 417" in said) is (how == "requeuehold")


def test_the_second_job_of_a_home_waits_for_the_first(cluster: Cluster) -> None:
    run = cluster.home / "run"
    (run / "slurm-job").write_text("11\n")
    cluster.say(state="RUNNING\n")
    code, said = cluster.end()
    assert (code, cluster.asked, cluster.read("arguments")) == (4, ["requeuehold 417"], [])
    assert "job 11 runs this home; this one is held until that has ended (scontrol release 417)" in said
    assert (run / "slurm-job").read_text() == "11\n"
    cluster.say(finish="", code="0")
    assert cluster.end(SLURM_JOB_ID="11")[0] == 0
    assert set(cluster.asked[1:]) == {"release 417"}
    assert [name for name in ("job", "waiting", "released") if (run / f"slurm-{name}").exists()] == []
    assert (cluster.end()[0], len(cluster.read("arguments"))) == (0, 1)


@pytest.mark.parametrize("words", [["--home", "other home"], ["--home=other home"]])
def test_the_home_may_be_an_option(cluster: Cluster, words: list[str]) -> None:
    cluster.say(finish="", code="0")
    cluster.end(*words)
    assert cluster.read("home") == ["other home"]
    assert cluster.read("arguments")[0].endswith(" ".join(words))


def test_a_repository_that_is_not_there_is_named(cluster: Cluster) -> None:
    code, said = cluster.end(BATON_DIR=str(cluster.folder / "nowhere"))
    assert code == 3 and "name them with BATON_PYTHON and BATON_DIR" in said


#: As in docs/several-machines.md.
SERVERS = {
    "BATON_STATE_URL": "postgresql://baton@db/baton", "BATON_ARTIFACTS_URL": "s3://bucket/baton",
    "REDIS_URL": "redis://db",
}  # fmt: skip


def test_what_was_stored_on_a_server_is_something_new(cluster: Cluster) -> None:
    cluster.say(finish="", uploads="")
    for _ in range(2):
        cluster.end(BATON_SLURM_STALLS="1", **SERVERS)
    (cluster.folder / "uploads").unlink()
    cluster.end(BATON_SLURM_STALLS="1", **SERVERS)
    assert cluster.asked == ["requeue 417", "requeue 417", "requeuehold 417"]


def test_several_nodes_have_a_home_and_an_address_each(cluster: Cluster) -> None:
    cluster.say(finish="", code="0", address="2: ib0    inet 10.1.2.3/24 brd 10.1.2.255 scope global ib0\n")
    several = {**SERVERS, "SLURM_JOB_NUM_NODES": "4", "SLURM_NODEID": "2", "BATON_SLURM_INTERFACE": "ib0"}
    assert cluster.end("--home", str(cluster.home), "--cpus", "2", **several)[0] == 0
    assert "--ntasks=4 --nodes=4 " in cluster.read("srun")[0]
    assert cluster.read("arguments")[0].endswith(f" --cpus 2 --home {cluster.home}/nodes/2")
    assert (cluster.read("home"), cluster.read("reached")) == ([f"{cluster.home}/nodes/2"], ["10.1.2.3"])
    cluster.say(address="")
    code, said = cluster.end(**several)
    assert code == 3 and "has no IPv4 address at BATON_SLURM_INTERFACE (ib0)" in said


@pytest.mark.parametrize("lacking", SERVERS)
def test_several_nodes_want_servers(cluster: Cluster, lacking: str) -> None:
    named = {name: url for name, url in SERVERS.items() if name != lacking}
    code, said = cluster.end(**named, SLURM_JOB_NUM_NODES="2")
    assert code == 3 and "2 nodes share no folder" in said
    assert (cluster.asked, cluster.read("arguments")) == ([], [])
