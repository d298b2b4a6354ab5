"""A machine that is told to leave, again and again, at moments drawn at random: how soon it is free, and what it costs.

    python -m trials.notices [--notices 200] [--seed 1] [--folder DIR] [--json FILE]

An ablation (`smoke`) is begun. Its command, and each `up` after it, gets one signal, and no other process does: half of
them soon after the start (cold), half at any moment of what the whole ablation takes (warm). The machine is free when
no process has a file of the home open or is in it, and the home's lock can be had. When an ablation ends, its final
artifacts must be those of one that nobody disturbed, and the next is begun. Every finding is in the folder at once: the
same command goes on after an interruption.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trials import REPOSITORY, RESULTS, final_artifacts, keep, rows

_HERE = ("--gpus", "none", "--cpus", "1")
_SUBMIT = ("submit-ablation", "--preset", "smoke", *_HERE)
_UP = ("up", "--until-done", *_HERE)

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

#: Cold: processes start and import.
_COLD_SECONDS = 10.0

#: A command that has not left by then is given up.
_GIVE_UP_SECONDS = 120.0

#: Bounds of the trial: 95 of 100, and each.
_MOST_SECONDS, _WORST_SECONDS = 5.0, 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path, default=RESULTS / "notices.json")
    options = parser.parse_args()
    # A shell that starts this in the background has it ignore SIGINT, and whoever is started ignores it too.
    for which in _SIGNALS:
        signal.signal(which, signal.SIG_DFL)
    folder = options.folder or Path(f"/tmp/baton-notices-{options.seed}-{options.notices}")
    print(f"seed {options.seed}, in {folder}", flush=True)
    found = _Trial(folder, options.seed).run(options.notices)
    keep(
        options.json,
        "signals to a command that runs a home, and how long its machine is then not free",
        found,
    )
    print(json.dumps({name: entry for name, entry in found.items() if name not in ("notices", "homes")}))
    if found["holds"]:
        shutil.rmtree(folder)
    return 0 if found["holds"] else 1


class _Trial:
    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._seed = folder, seed
        self._file = folder / "found.json"
        self._found: dict[str, Any] = {"undisturbed": None, "notices": [], "homes": []}
        if self._file.exists():
            self._found = json.loads(self._file.read_text())

    def run(self, count: int) -> dict[str, Any]:
        if self._found["undisturbed"] is None:
            home = self._folder / "undisturbed"
            shutil.rmtree(home, ignore_errors=True)
            began = time.monotonic()
            if self._command(home).wait() != 0:
                raise SystemExit(f"it did not end well: {_last_line(home.with_suffix('.log'))}")
            seconds = time.monotonic() - began
            self._found["undisturbed"] = {"seconds": seconds, "artifacts": final_artifacts(home / "state.db")}
            self._note(f"undisturbed: {seconds:.0f} s")
        while len(self._found["notices"]) < count:
            self._notice(len(self._found["notices"]))
        home = self._folder / f"home-{len(self._found['homes'])}"
        if home.exists():
            self._done(home, self._command(home).wait())
        return self._summary(count)

    def _notice(self, number: int) -> None:
        draw = random.Random(f"{self._seed}/{number}")
        kind = "cold" if draw.random() < 0.5 else "warm"
        longest = _COLD_SECONDS if kind == "cold" else self._found["undisturbed"]["seconds"]
        after, which = draw.uniform(0.0, longest), draw.choice(_SIGNALS)
        home = self._folder / f"home-{len(self._found['homes'])}"
        process = self._command(home)
        with suppress(subprocess.TimeoutExpired):
            self._done(home, process.wait(after))  # before the signal
            return
        running = [
            label for (label,) in rows(home / "state.db", "SELECT label FROM job WHERE state = 'running'")
        ]
        process.send_signal(which)
        seconds = _until_free(home, process)
        said = _last_line(home.with_suffix(".log"))
        entry = {
            "kind": kind, "after": round(after, 3), "signal": which.name, "home": home.name, "running": running,
            "seconds": None if seconds is None else round(seconds, 3), "exit_code": process.returncode, "said": said,
        }  # fmt: skip
        self._found["notices"].append(entry)
        self._note(f"{number}: {json.dumps(entry)}")
        if process.returncode == 0:
            self._done(home, 0)

    def _command(self, home: Path) -> subprocess.Popen[bytes]:
        words = (
            _UP
            if (home / "state.db").exists() and rows(home / "state.db", "SELECT 1 FROM ablation")
            else _SUBMIT
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        with home.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "cli.py", "--home", str(home), *words],
                cwd=REPOSITORY,
                env=kept | {"PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _done(self, home: Path, code: int) -> None:
        """An ablation that has ended: its bytes, and what was counted against its jobs."""
        if code != 0:
            raise SystemExit(f"{home.name}: exit code {code}: {_last_line(home.with_suffix('.log'))}")
        state, expected = home / "state.db", self._found["undisturbed"]["artifacts"]
        artifacts = final_artifacts(state)
        other = sorted(name for name in expected | artifacts if expected.get(name) != artifacts.get(name))
        ((failures, losses, session_losses),) = rows(
            state, "SELECT sum(failures), sum(losses), sum(session_losses) FROM job"
        )
        lost = rows(state, "SELECT count(*) FROM attempt WHERE outcome = 'lost'")[0][0]
        entry = {
            "home": home.name, "artifacts": len(artifacts), "other_bytes": other, "failures": failures,
            "losses": losses, "session_losses": session_losses, "lost_attempts": lost,
        }  # fmt: skip
        self._found["homes"].append(entry)
        shutil.rmtree(home)
        self._note(json.dumps(entry))

    def _note(self, line: str) -> None:
        print(line, flush=True)
        aside = self._file.with_suffix(".new")
        aside.write_text(json.dumps(self._found))
        aside.replace(self._file)

    def _summary(self, count: int) -> dict[str, Any]:
        notices = self._found["notices"][:count]
        by_kind = {
            kind: _quantiles([entry["seconds"] for entry in notices if kind in ("all", entry["kind"])])
            for kind in ("all", "cold", "warm")
        }
        # Before Python runs the first line of a program, a signal does to it what it does to any.
        codes = [entry["exit_code"] for entry in notices]
        unequal = [entry for entry in self._found["homes"] if entry["other_bytes"]]
        counted = [
            entry for entry in self._found["homes"]
            if entry["failures"] or entry["losses"] or entry["session_losses"] or entry["lost_attempts"]
        ]  # fmt: skip
        everything = by_kind["all"]
        return {
            "holds": bool(
                notices
                and not unequal
                and everything["stuck"] == 0
                and everything["p95"] < _MOST_SECONDS
                and everything["worst"] < _WORST_SECONDS
            ),
            "seed": self._seed,
            "seconds_until_free": by_kind,
            "exit_codes": {str(code): codes.count(code) for code in sorted(set(codes), key=str)},
            "homes_with_other_bytes": len(unequal),
            "homes_with_something_counted": len(counted),
            "undisturbed_seconds": self._found["undisturbed"]["seconds"],
            "homes": self._found["homes"],
            "notices": notices,
        }


def _quantiles(seconds: Sequence[float | None]) -> dict[str, Any]:
    known = sorted(value for value in seconds if value is not None)
    if not known:
        return {"notices": 0, "stuck": len(seconds)}
    place = [min(len(known) - 1, int(share * len(known))) for share in (0.5, 0.95)]
    return {
        "notices": len(known), "stuck": len(seconds) - len(known), "p50": known[place[0]], "p95": known[place[1]],
        "worst": known[-1],
    }  # fmt: skip


def _until_free(home: Path, process: subprocess.Popen[bytes]) -> float | None:
    """Seconds from now; None when it never was, after which all of it is killed."""
    began = time.monotonic()
    while time.monotonic() - began < _GIVE_UP_SECONDS:
        gone = process.poll() is not None
        if gone and not any(_holders(home)) and _is_unlocked(home):
            return time.monotonic() - began
        time.sleep(0.02)
    for pid in (*_holders(home), process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    return None


def _holders(home: Path) -> Iterator[int]:
    """Processes that have a file of the home open, or are in it."""
    inside = f"{home}/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            links = [entry / "cwd", *(entry / "fd").iterdir()]
            for link in links:
                with suppress(OSError):
                    if f"{os.readlink(link)}/".startswith(inside):  # noqa: PTH115 (sockets and pipes are no paths)
                        yield int(entry.name)
                        break


def _is_unlocked(home: Path) -> bool:
    try:
        with (home / "run" / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][-300:] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
