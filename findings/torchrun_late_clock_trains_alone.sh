#!/usr/bin/env bash
# torch 2.13.0 (gloo, Python 3.11, Linux).
#
# torchrun --nnodes 2 with the c10d rendezvous asks for exactly two hosts. Where the clock of the host that comes last is
# more than 15 s behind (5 s between signs of life, three of which may be missed), the first host begins without it: a
# world of one, though two were asked for at least. The script runs, and torchrun exits 0: a training of half the batch
# that nobody asked for. The other host is told of a world of two, whose first rank never comes.
#
# Each host stamps its signs of life with its own time of day and the reader compares them with its own, so a late clock
# looks like a host that died just after the world was declared complete; dead hosts are taken out of a complete world,
# and its size is counted after that. Hosts with a clock that is ahead meet. Set rdzv-conf keep_alive_max_attempt to
# something huge, or compare WORLD_SIZE with what was asked for.
#
# The late clock is the rendezvous' own view of datetime.now(), a minute behind in one of two processes.
#
# Seen (WORLD_SIZE in the script of the first host; its exit code):
#   equal clocks: 2, 0
#   the second a minute behind: 1, 0
#   the second a minute behind, keep_alive_max_attempt=100000: 2, 0
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile torch==2.13.0 numpy==2.4.6
cat > "$work/training.py" <<'PY'
import os
import sys

with open(f"{sys.argv[1]}-{os.environ['GROUP_RANK']}", "w") as seen:
    seen.write(os.environ["WORLD_SIZE"])
PY
cat > "$work/host.py" <<'PY'
import datetime
import sys
import time

from torch.distributed.elastic.rendezvous import dynamic_rendezvous
from torch.distributed.run import main

behind, wait, *arguments = sys.argv[1:]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) - datetime.timedelta(seconds=float(behind))


dynamic_rendezvous.datetime = Clock
while wait != "-":  # until the other host is there
    try:
        open(wait).close()
        break
    except FileNotFoundError:
        time.sleep(0.1)
if wait == "-":
    open(f"{arguments[-1]}-there", "w").close()
main(arguments)
PY
"$work/venv/bin/python" - "$work" <<'PY'
import os
import socket
import subprocess
import sys
import time

work = sys.argv[1]
ENVIRONMENT = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONWARNINGS": "ignore"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def first_host(name, behind, *options):
    """(WORLD_SIZE that the first host's script sees, exit code of its torchrun)"""
    out = f"{work}/{name}"
    torchrun = [
        "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", name,
        "--rdzv-endpoint", f"127.0.0.1:{free_port()}", *options,
    ]

    def start(number, late, wait):
        command = [sys.executable, f"{work}/host.py", str(late), wait, *torchrun]
        command += ["--local-addr", f"0000{number}", f"{work}/training.py", out]
        return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)

    first = start(0, 0, "-")
    second = start(1, behind, f"{out}-there")
    try:
        code = first.wait(timeout=600)
    finally:
        for host in (first, second):
            host.terminate()
        for host in (first, second):
            try:
                host.wait(timeout=60)
            except subprocess.TimeoutExpired:
                host.kill()
    with open(f"{out}-0") as seen:
        return int(seen.read()), code


patient = ("--rdzv-conf", "keep_alive_max_attempt=100000")
seen = [first_host("equal", 0), first_host("late", 60), first_host("patient", 60, *patient)]
for name, (size, code) in zip(
    ["equal clocks", "the second a minute behind", "the second a minute behind, keep_alive_max_attempt=100000"],
    seen,
):
    print(f"{name}: {size}, {code}", flush=True)
sys.exit(0 if seen == [(2, 0), (1, 0), (2, 0)] else 1)
PY
